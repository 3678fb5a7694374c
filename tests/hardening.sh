#!/usr/bin/env bash
# tests/hardening.sh PROGRAM - reads a release program with readelf and prints what of
# cmake/harden.cmake is missing in it. What leaves no mark in the program itself (stack clash, CET:
# the C library's own start files have no CET note) is looked up in its debug information, where
# the compiler writes down the flags of each unit.
set -eu
export LC_ALL=C
program=$1
bad=0

missing() { # WHAT
    echo "hardening: $program: missing: $1"
    bad=1
}
has() { # TEXT REGEX WHAT
    grep -qE -- "$2" <<<"$1" || missing "$3"
}
has_not() { # TEXT REGEX WHAT
    ! grep -qE -- "$2" <<<"$1" || missing "$3"
}

header=$(readelf -hW "$program")
segments=$(readelf -lW "$program")
dynamic=$(readelf -dW "$program")
symbols=$(readelf --dyn-syms -W "$program")
producers=$(readelf -W -p .debug_str "$program" | grep -E ' (GNU C[0-9]|clang version)' || true)

has "$header" 'Type: +DYN' 'PIE (type DYN)'
has "$dynamic" '\(FLAGS_1\).* PIE' 'PIE (flag)'
has "$segments" '^ +GNU_RELRO ' 'RELRO'
has "$dynamic" '\(FLAGS_1\).* NOW|\(BIND_NOW\)|\(FLAGS\).* BIND_NOW' 'full RELRO: -z now'
has "$segments" '^ +GNU_STACK .* RW +0x' '-z noexecstack'
has_not "$segments" '^ +LOAD .* RWE ' 'pages that are not both writable and executable'
has_not "$dynamic" '\(TEXTREL\)' 'code without relocations'
has_not "$dynamic" '\((RPATH|RUNPATH)\)' 'a library path that nobody can write to'
has "$symbols" ' __stack_chk_fail' 'stack protector'
has "$symbols" ' __(v?snprintf|memcpy|memset|read|recv|fprintf)_chk' '_FORTIFY_SOURCE'

if [ -z "$producers" ]; then
    missing 'debug information (-g), in which the compiler tells its flags'
else
    flags="-fstack-protector-strong -fstack-clash-protection"
    case $header in
    *X86-64*) flags="$flags -fcf-protection=full" ;;
    *AArch64*) flags="$flags -mbranch-protection=standard" ;;
    esac
    for flag in $flags; do
        has_not "$(grep -vF -- "$flag" <<<"$producers" || true)" 'GNU C|clang' "$flag in every unit"
    done
fi
[ $bad = 0 ] && echo "hardening: all there in $program"
exit $bad
