"""How a page looks, on a screen and on paper."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light; --ink: #1d2530; --soft: #5b6673; --line: #d5dae0; --flag: #b34a00; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; }
.key { max-width: none; margin: .4rem 0 .8rem; }
.soft, figcaption .where { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem;
  margin: 1.2rem 0; padding: 0; list-style: none; }
.cards li { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.cards b { display: block; font-size: 1.5rem; line-height: 1.2; }
.cards .high { border-color: var(--flag); border-width: 2px; }
.cards .high b::after { content: " \\26A0"; color: var(--flag); font-size: 1.1rem; }
.told { border-left: 4px solid var(--flag); background: #fdf3ea; padding: .5rem 1rem;
  margin: 1rem 0; }
.told ul { margin: 0; padding-left: 1.1rem; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; break-inside: avoid; } svg { display: block; width: 100%; height: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.2rem; }
.tiles figure { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.tiles figure:target { outline: 3px solid var(--flag); }
figcaption { padding: .6rem .8rem; font-size: .9rem; } figcaption b { display: block; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.key span { display: inline-block; width: 1.6rem; height: .55rem; margin: 0 .35rem 0 1rem;
  background: var(--c); border: 1px solid #0004; }
.key span:first-child { margin-left: 0; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .6rem;
  color: var(--soft); font-size: .88rem; }
a { color: #0b5394; }
@media print { body { max-width: none; padding: 0; font-size: 11px; }
  .tiles { grid-template-columns: repeat(3, 1fr); } }
"""
