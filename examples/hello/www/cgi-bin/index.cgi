#!/bin/sh
# The page: which instance answers. 500 while the instance is broken, see ./status.
. /bin/broken.sh
escape() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
host=$(hostname | escape)
greeting=$(printf '%s' "${GREETING:-Hello from Berth}" | escape)
uptime=$(($(cut -d. -f1 /proc/uptime) - $(awk '{ print int($22 / 100) }' /proc/1/stat)))
cat <<PAGE
Content-Type: text/html; charset=utf-8
Cache-Control: no-store

<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$greeting</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<img src="/icon.svg" alt="" width="56" height="56">
<h1>$greeting</h1>
<p>This page came through the edge from one instance of the app.</p>
<dl>
<dt>Instance</dt><dd id="instance">$host</dd>
<dt>Running for</dt><dd>$uptime s</dd>
</dl>
<p class="hint">Reload to be served by another instance.</p>
</main>
</body>
</html>
PAGE
