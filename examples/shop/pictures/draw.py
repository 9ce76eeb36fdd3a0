"""Draws the pictures of the shop, in the folder that this file is in.

python draw.py      needs playwright and a Chromium: CHROMIUM=/usr/bin/chromium
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent

DEFS = """
<defs>
  <filter id="soft" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="16"/></filter>
  <filter id="glow" x="-100%" y="-100%" width="300%" height="300%"><feGaussianBlur stdDeviation="46"/></filter>
  <linearGradient id="light" x1="0" y1="0" x2="1" y2="0">
    <stop offset="0" stop-color="#fff" stop-opacity=".35"/><stop offset=".5" stop-color="#fff" stop-opacity="0"/>
    <stop offset="1" stop-color="#000" stop-opacity=".22"/></linearGradient>
  <linearGradient id="down" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="#fff" stop-opacity=".25"/><stop offset="1" stop-color="#000" stop-opacity=".18"/></linearGradient>
  <radialGradient id="room" cx=".42" cy=".3" r=".95">
    <stop offset="0" stop-color="#fff" stop-opacity=".55"/><stop offset=".6" stop-color="#fff" stop-opacity="0"/>
    <stop offset="1" stop-color="#000" stop-opacity=".12"/></radialGradient>
</defs>"""


def shadow(x: int, y: int, width: int, height: int = 22) -> str:
    return f'<ellipse cx="{x}" cy="{y}" rx="{width}" ry="{height}" fill="#3a2413" opacity=".34" filter="url(#soft)"/>'


def lit(shape: str) -> str:
    """A shape, drawn again with light from the left upon it."""
    return shape + shape.replace('fill="', 'fill="url(#light)" data-was="')


# Each stands on y = 460 of a drawing that is 600 by 600.
LANTERN = (
    shadow(300, 462, 120)
    + '<ellipse cx="300" cy="270" rx="210" ry="190" fill="#ffd98a" opacity=".55" filter="url(#glow)"/>'
    + lit('<path d="M288 330h24v112h-24z" fill="#8a5a35"/>')
    + lit('<path d="M222 440q78 -22 156 0v14q-78 18 -156 0z" fill="#8a5a35"/>')
    + '<path d="M212 170 388 170 424 344 176 344z" fill="#fff1cf"/>'
    + "".join(
        f'<path d="M{212 + i * 22} 170 {234 + i * 22} 170 {176 + (i + 1) * 31} 344 {176 + i * 31} 344z" '
        f'fill="{"#ffe4ab" if i % 2 else "#fff6e0"}"/>'
        for i in range(8)
    )
    + '<ellipse cx="300" cy="262" rx="78" ry="66" fill="#fffbe9" opacity=".85" filter="url(#soft)"/>'
    + '<path d="M212 170h176l2 10H210zM178 334h244l3 10H175z" fill="#c98f4e"/>'
    + lit('<path d="M282 150q18 -14 36 0v20h-36z" fill="#8a5a35"/>')
)
MERIDIAN = (
    shadow(300, 466, 110)
    + lit('<path d="M252 96h96l10 120H242z" fill="#7a4a2b"/>')
    + lit('<path d="M242 344h116l-12 116H254z" fill="#7a4a2b"/>')
    + '<path d="M262 104v104M338 104v104M262 352v100M338 352v100" stroke="#d9b48d" stroke-width="3" stroke-dasharray="9 8"/>'
    + lit('<circle cx="300" cy="280" r="122" fill="#c9c4bd"/>')
    + '<circle cx="300" cy="280" r="104" fill="#14324a"/><circle cx="300" cy="280" r="104" fill="url(#room)" opacity=".5"/>'
    + "".join(
        f'<path d="M300 {184 if i % 5 else 182}v{9 if i % 5 else 20}" stroke="#f3ead9" stroke-width="{2 if i % 5 else 5}" '
        f'transform="rotate({i * 6} 300 280)" stroke-linecap="round"/>'
        for i in range(60)
    )
    + '<path d="M294 300 298 198h4l4 102z" fill="#f2a65a" transform="rotate(52 300 280)"/>'
    + '<circle cx="300" cy="280" r="10" fill="#f2a65a"/>'
    + lit('<rect x="420" y="266" width="22" height="28" rx="6" fill="#c9c4bd"/>')
    + '<path d="M226 222a104 104 0 0 1 96 -44" stroke="#fff" stroke-width="7" opacity=".35" fill="none" stroke-linecap="round"/>'
)
HARBOUR = (
    shadow(300, 466, 200)
    + '<path d="M182 392 158 462M418 392l24 70M222 402l-8 60M378 402l8 60" stroke="#8a5a35" stroke-width="17" stroke-linecap="round"/>'
    + lit('<path d="M186 160q114 -44 228 0q18 96 2 190H184q-16 -94 2 -190z" fill="#4f7a6b"/>')
    + '<path d="M300 144v206" stroke="#3d6255" stroke-width="4" opacity=".7"/>'
    + lit('<path d="M170 318q130 -26 260 0v66q-130 26 -260 0z" fill="#5f8f7e"/>')
    + lit('<path d="M128 270q38 -22 54 6v124q-40 12 -54 -8z" fill="#456d60"/>')
    + lit('<path d="M472 270q-38 -22 -54 6v124q40 12 54 -8z" fill="#456d60"/>')
    + '<path d="M236 236q64 -20 128 0q10 60 -2 96q-62 16 -124 0q-12 -36 -2 -96z" fill="#e9b872"/>'
    + '<path d="M236 236q64 -20 128 0q10 60 -2 96q-62 16 -124 0q-12 -36 -2 -96z" fill="url(#light)"/>'
)
QUIET = (
    shadow(300, 464, 160)
    + '<path d="M150 330C140 96 460 96 450 330" fill="none" stroke="#2e2f35" stroke-width="30" stroke-linecap="round"/>'
    + '<path d="M176 270C186 140 414 140 424 270" fill="none" stroke="#5a5c66" stroke-width="10" stroke-linecap="round"/>'
    + "".join(
        f'<g transform="translate({x} 0) scale({s} 1)">'
        + lit('<rect x="-58" y="272" width="72" height="178" rx="34" fill="#c8b8a6"/>')
        + lit('<rect x="-84" y="290" width="46" height="142" rx="23" fill="#2e2f35"/>')
        + '<path d="M-72 322v78" stroke="#e07a4f" stroke-width="5" stroke-linecap="round"/></g>'
        for x, s in ((190, 1), (410, -1))
    )
)
FIELD = (
    shadow(300, 452, 200)
    + lit('<path d="M214 178h120l18 46H196z" fill="#3b3a3a"/>')
    + lit('<rect x="112" y="212" width="376" height="232" rx="26" fill="#4a4947"/>')
    + '<path d="M112 272h376v112H112z" fill="#6d4a34"/><path d="M112 272h376v112H112z" fill="url(#light)"/>'
    + "".join(
        lit(f'<rect x="{x}" y="190" width="48" height="26" rx="6" fill="#b8b2a8"/>')
        for x in (130, 366, 424)
    )
    + '<circle cx="286" cy="328" r="108" fill="#252424"/><circle cx="286" cy="328" r="92" fill="#3b3a3a"/>'
    + '<circle cx="286" cy="328" r="70" fill="#16202b"/><circle cx="286" cy="328" r="46" fill="#24445e"/>'
    + '<circle cx="286" cy="328" r="24" fill="#0d1720"/>'
    + '<path d="M246 296a52 52 0 0 1 40 -24" stroke="#cfe6f5" stroke-width="9" fill="none" stroke-linecap="round" opacity=".8"/>'
    + '<circle cx="310" cy="356" r="7" fill="#cfe6f5" opacity=".6"/>'
    + '<circle cx="452" cy="248" r="9" fill="#e0573a"/><rect x="140" y="236" width="66" height="16" rx="4" fill="#e9e2d4" opacity=".9"/>'
)
MORNING = (
    shadow(300, 462, 170)
    + '<path d="M414 246q92 -8 74 74q-14 62 -92 66" fill="none" stroke="#a4553a" stroke-width="22" stroke-linecap="round"/>'
    + lit(
        '<path d="M186 318q-70 -8 -88 -92q-3 -16 14 -14q30 6 38 34q14 40 54 30z" fill="#b9643f"/>'
    )
    + lit(
        '<path d="M182 230q118 -36 236 0q52 150 -34 220q-84 22 -168 0q-86 -70 -34 -220z" fill="#c9714a"/>'
    )
    + lit('<path d="M204 226q96 -64 192 0q-96 24 -192 0z" fill="#b9643f"/>')
    + lit('<circle cx="300" cy="176" r="21" fill="#8a4127"/>')
    + '<path d="M170 340q130 36 262 0" stroke="#f0cdb4" stroke-width="5" fill="none" opacity=".8"/>'
    + '<path d="M176 362q124 34 250 0" stroke="#f0cdb4" stroke-width="3" fill="none" opacity=".6"/>'
    + '<path d="M112 176q-14 -26 4 -46t0 -44M140 180q-10 -20 2 -36" stroke="#fff" stroke-width="9" fill="none" stroke-linecap="round" opacity=".65"/>'
)
ATLAS = (
    shadow(300, 466, 160)
    + '<path d="M256 134q44 -56 88 0" fill="none" stroke="#5b3a22" stroke-width="16" stroke-linecap="round"/>'
    + lit(
        '<path d="M180 190q4 -66 120 -66t120 66v230q0 42 -44 42H224q-44 0 -44 -42z" fill="#6f7f4c"/>'
    )
    + lit(
        '<path d="M172 196q10 -72 128 -72t128 72q4 78 -12 96q-116 34 -232 0q-16 -18 -12 -96z" fill="#7f9058"/>'
    )
    + lit('<path d="M214 340h172v86q0 18 -18 18H232q-18 0 -18 -18z" fill="#5f6e40"/>')
    + "".join(
        f'<rect x="{x}" y="196" width="26" height="150" rx="6" fill="#8a5a35"/>'
        f'<rect x="{x - 5}" y="276" width="36" height="30" rx="5" fill="none" stroke="#e0c48a" stroke-width="6"/>'
        for x in (228, 346)
    )
    + '<path d="M214 366h172" stroke="#d8cfa8" stroke-width="3" stroke-dasharray="8 7"/>'
    + '<rect x="276" y="384" width="48" height="30" rx="4" fill="#e9d9a8"/><path d="m284 404 8 -12 8 8 8 -10 8 14z" fill="#6f7f4c"/>'
)
FERN = (
    shadow(300, 464, 120)
    + "".join(
        f'<g transform="rotate({angle} 300 330)"><path d="M300 330C{290 + bend} 250 {296 + bend} 170 {300 + bend} {top}" '
        f'stroke="#3f6b3a" stroke-width="6" fill="none" stroke-linecap="round"/>'
        + "".join(
            f'<path d="M{298 + bend * (1 - k / 9):.0f} {top + 12 + k * (310 - top) / 9:.0f}q{s * 34} -24 {s * (26 + 4 * k)} 12q{-s * 22} 14 {-s * (26 + 4 * k)} -12z" '
            f'fill="{green}"/>'
            for k in range(8)
            for s in (-1, 1)
        )
        + "</g>"
        for angle, bend, top, green in (
            (-58, -10, 150, "#4d7f46"),
            (58, 10, 150, "#4d7f46"),
            (-30, -6, 112, "#5c9453"),
            (30, 6, 112, "#5c9453"),
            (-6, 0, 84, "#6fa863"),
            (-80, -8, 200, "#3f6b3a"),
            (80, 8, 200, "#3f6b3a"),
        )
    )
    + lit('<path d="M206 330h188l-22 128q-72 16 -144 0z" fill="#e6ddd0"/>')
    + lit('<rect x="196" y="314" width="208" height="34" rx="12" fill="#efe8dd"/>')
    + '<path d="M216 384q86 22 168 0l-6 34q-78 18 -156 0z" fill="#2f6f8a" opacity=".85"/>'
)
LEDGER = (
    shadow(306, 458, 170)
    + '<g transform="rotate(-9 300 290)">'
    + '<path d="M196 124h214q14 0 14 14v312q0 14 -14 14H196z" fill="#f4ead6"/>'
    + "".join(
        f'<path d="M200 {452 + i * 4}h216" stroke="#d8c8a8" stroke-width="1.6"/>' for i in range(3)
    )
    + lit('<path d="M186 112h212q14 0 14 14v312q0 14 -14 14H186z" fill="#2f4b66"/>')
    + '<path d="M186 112h26v340h-26z" fill="#213850"/>'
    + '<rect x="252" y="170" width="112" height="72" rx="6" fill="#f4ead6"/>'
    + '<path d="M270 196h76M270 216h50" stroke="#8f8371" stroke-width="5" stroke-linecap="round"/>'
    + '<path d="M374 112v340" stroke="#e0573a" stroke-width="9"/>'
    + '<path d="M232 452v52l10 -12 10 12v-52z" fill="#e0573a"/></g>'
    + '<g transform="rotate(28 470 300)">'
    + lit('<rect x="462" y="150" width="20" height="240" fill="#e9a23b"/>')
    + '<path d="M462 390h20l-10 34z" fill="#f3dcb6"/><path d="M468 411h8l-4 13z" fill="#2b2622"/>'
    + '<rect x="462" y="134" width="20" height="22" rx="4" fill="#d77a6a"/></g>'
)

PRODUCTS = {
    "lantern": (LANTERN, "#b9875c", "#8d5f3c"),
    "meridian": (MERIDIAN, "#d9d3c8", "#bdb4a4"),
    "harbour": (HARBOUR, "#f0dcc0", "#d8b98f"),
    "quiet": (QUIET, "#e3a98a", "#c98566"),
    "field": (FIELD, "#a9c0c4", "#88a2a6"),
    "morning": (MORNING, "#f3e2c7", "#e3c497"),
    "atlas": (ATLAS, "#e8dcc0", "#cdbb90"),
    "fern": (FERN, "#cfe0d2", "#adc7b2"),
    "ledger": (LEDGER, "#efcfa6", "#d9ac76"),
}


def product(drawing: str, wall: str, floor: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 600">{DEFS}'
        f'<rect width="600" height="600" fill="{wall}"/><rect y="420" width="600" height="180" fill="{floor}"/>'
        f'<rect y="420" width="600" height="180" fill="url(#down)" opacity=".5"/>'
        f'<rect width="600" height="600" fill="url(#room)"/>{drawing}</svg>'
    )


def banner(wall: str, floor: str, *placed: tuple[str, float, float, float]) -> str:
    """placed: drawing, left edge, top edge, scale."""
    things = "".join(
        f'<g transform="translate({x} {y}) scale({scale})">{drawing}</g>'
        for drawing, x, y, scale in placed
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 600">{DEFS}'
        f'<rect width="840" height="600" fill="{wall}"/><rect y="400" width="840" height="200" fill="{floor}"/>'
        f'<rect y="400" width="840" height="200" fill="url(#down)" opacity=".5"/>'
        f'<rect width="840" height="600" fill="url(#room)"/>{things}</svg>'
    )


BANNERS = {
    "living": banner(
        "#d9c3a5", "#b8976c", (FERN, 392, 30, 0.88), (HARBOUR, 40, -30, 1.06), (MORNING, 536, 250, 0.46)
    ),
    "listen": banner(
        "#c98a6c", "#a4674b", (QUIET, 20, -20, 0.98), (FIELD, 420, 90, 0.74), (LEDGER, 300, 210, 0.5)
    ),
    "travel": banner(
        "#aebf9b", "#84976d", (ATLAS, 40, -40, 1.06), (FIELD, 376, 160, 0.62), (MERIDIAN, 590, 204, 0.5)
    ),
}  # fmt: skip


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--force-color-profile=srgb"],
        )
        for kind, pictures, size in (
            ("products", {n: product(*p) for n, p in PRODUCTS.items()}, (1000, 1000)),
            ("banners", BANNERS, (1120, 800)),
        ):
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            for name, svg in pictures.items():
                page.set_content(
                    f"<style>body{{margin:0}}svg{{display:block;width:{size[0]}px;height:{size[1]}px}}</style>{svg}"
                )
                page.screenshot(path=HERE / f"{kind}-{name}.jpg", type="jpeg", quality=86)
        browser.close()


if __name__ == "__main__":
    main()
