#!/bin/sh
# Put the library libgomp.so.1 into a virtual environment, where the system has none.
#
#     sh tools/openmp.sh VENV
#
# llama.cpp's wheel needs it and does not bring it. Every compiler installs it; a bare machine
# has no compiler. Nothing is installed and no privilege is needed: Debian's package is
# fetched and its one file taken out. hub/llama_cpp_library.py loads it from there.
set -eu

into="$1/lib/libgomp.so.1"
if "$1/bin/python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || [ -e "$into" ]; then
    exit 0
fi

give_up() {
    echo "error: llama.cpp needs libgomp.so.1, which this machine lacks; fix: apt-get install libgomp1, as root" >&2
    exit 2
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download() { cd "$work" && apt-get download -qq libgomp1 >/dev/null 2>&1; }

command -v apt-get >/dev/null && command -v dpkg >/dev/null || give_up
(download) || { [ "$(id -u)" = 0 ] && apt-get update -qq && (download); } || give_up
dpkg -x "$work"/libgomp1_*.deb "$work"
cp "$(find "$work/usr/lib" -name libgomp.so.1)" "$into"
echo "Took libgomp.so.1, which llama.cpp needs, from Debian's package into $1."
