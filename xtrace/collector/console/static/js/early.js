// Before the first paint: the theme that was chosen, so that a dark page never flashes white.
try {
  const theme = localStorage.getItem("xtrace.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // without storage, the system's theme
}

// While the modules are on their way: what the screen will ask for first, by address. api.js takes it from here.
{
  const MAX_AGE_MS = 5000;
  const params = new URLSearchParams(location.search);
  const asked = (path, more = {}) => {
    const query = new URLSearchParams();
    const question = { filter: "", range: "PT15M", group: "", run: "" };
    for (const [name, fallback] of Object.entries({ ...question, ...more })) {
      const value = params.get(name) ?? fallback;
      if (value) query.append(name, value);
    }
    return `/api/v1/${path}?${query}`;
  };
  const trace = /^\/traces\/([\w-]+)$/.exec(location.pathname);
  const first = {
    "/": () => asked("map"),
    "/traces": () => asked("traces", { sort: "-start", limit: "100" }),
  }[location.pathname]?.() ?? (trace && `/api/v1/traces/${trace[1]}`);
  window.early = new Map(first ? [[first, fetch(first)]] : []);
  for (const answer of window.early.values()) answer.catch(() => {}); // who takes it sees it
  setTimeout(() => window.early.clear(), MAX_AGE_MS);
}
