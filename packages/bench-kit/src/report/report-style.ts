/** The report's whole style sheet. */
export const reportStyle = `
:root{--paper:#fff;--ink:#1b1f24;--muted:#59636e;--rule:#d8dee4;--soft:#f5f7f9;--good:#0b7a5b;--goodsoft:#e3f6ef;--barfill:#0cd79f3d;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--paper:#15191e;--ink:#e8ebee;--muted:#9aa4af;--rule:#343b43;--soft:#1d2229;--good:#4fdcb0;--goodsoft:#123329;--barfill:#0cd79f33}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15.5px/1.55 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}
main{max-width:1400px;margin:0 auto;padding:36px 22px 60px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:21px;margin:0 0 12px}
.lead{font-size:17px;color:var(--muted);margin:0 0 18px;max-width:76ch}
p{max-width:82ch;margin:0 0 12px}
dl{display:flex;flex-wrap:wrap;gap:10px 32px;margin:0 0 14px;padding:14px 18px;background:var(--soft);border-radius:10px}
dt{color:var(--muted);font-size:12.5px}
dd{margin:0;font-variant-numeric:tabular-nums}
nav{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:14px}
a{color:var(--good)}
section{margin-top:38px;padding-top:26px;border-top:1px solid var(--rule)}
.verdict{font-size:17px;background:var(--goodsoft);border-left:4px solid var(--good);border-radius:0 8px 8px 0;padding:12px 16px;max-width:none}
.table{overflow-x:auto;margin:16px 0 22px}
table{border-collapse:collapse;min-width:100%;font-size:14px}
caption{text-align:left;color:var(--muted);padding:0 0 8px}
th{font-weight:600;color:var(--muted);text-align:left;border-bottom:2px solid var(--rule);padding:6px 8px;white-space:nowrap;vertical-align:bottom}
td{padding:6px 8px;border-bottom:1px solid var(--rule);white-space:nowrap;font-variant-numeric:tabular-nums}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,640px),1fr));gap:6px 22px}
.figures figure{margin:6px 0}
summary{cursor:pointer;color:var(--good);padding:6px 0}
.long{white-space:normal;overflow-wrap:anywhere;min-width:30ch}
.n{text-align:right}
tr.begins td{border-top:2px solid var(--rule)}
tr.best td{background:var(--goodsoft);font-weight:600}
.bar{display:block;min-width:96px;padding:0 6px;border-radius:4px;background:linear-gradient(90deg,var(--barfill) var(--w),transparent var(--w))}
figure{margin:18px 0 26px;overflow-x:auto}
figure svg{display:block;border-radius:8px}
figcaption,footer{color:var(--muted);font-size:13.5px;margin-top:8px}
footer{margin-top:44px;padding-top:16px;border-top:1px solid var(--rule)}
@media print{main{max-width:none}section{break-inside:avoid}}
`
