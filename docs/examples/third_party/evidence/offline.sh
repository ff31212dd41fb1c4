#!/bin/sh
# Only for networks that cannot reach extensions.duckdb.org, there and in the readers' browsers.
# DuckDB for the browser 1.28.0 has Parquet built in; newer ones download it at run time.
# It does not know two settings that Evidence 40.1.8 makes, so those two lines are taken out.
set -eu
npm pkg set 'overrides.@duckdb/duckdb-wasm=1.28.0'
rm -rf node_modules package-lock.json
npm install
for file in node.js browser.js; do
  path=node_modules/@evidence-dev/universal-sql/src/client-duckdb/$file
  grep -vE "connection\.query\('SET (ieee_floating_point_ops|old_implicit_casting)" "$path" > "$path.new"
  mv "$path.new" "$path"
done
