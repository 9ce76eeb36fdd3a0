// Before the first paint: the theme that was chosen, so that a dark page never flashes white.
try {
  const theme = localStorage.getItem("xtrace.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // without storage, the system's theme
}
