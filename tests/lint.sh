#!/usr/bin/env bash
# tests/lint.sh BUILD - static analysis of src/ by clang-tidy (.clang-tidy), cppcheck and gcc's
# analyser. BUILD has a compile_commands.json of clang's. Prints what is not in tests/lint.known.
set -eu -o pipefail
cd "$(dirname "$0")/.."
build=$1
jobs=$(nproc)
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# A file a process: clang-tidy 14 sees false va_list faults where one follows another. Its exit
# status only repeats that there are findings; what it cannot read is one, too.
tidy() {
    git ls-files 'src/*.c' | xargs -P "$jobs" -n 1 clang-tidy -p "$build" --quiet 2>/dev/null |
        grep -E '^[^ ].*: (warning|error): ' || true
}

analyser() {
    git ls-files 'src/*.c' | xargs -P "$jobs" -n 1 gcc -std=gnu11 -O2 -D_GNU_SOURCE \
        -DRINGROOM_VERSION='"lint"' -Iinclude -fanalyzer -fdiagnostics-plain-output -S \
        -o /dev/null 2>&1 | grep -E '^[^ ].*: (warning|error|fatal error): ' || true
}

# It knows the system libraries by itself, and reads none of their headers.
check() {
    cppcheck --std=c11 -Iinclude -D_GNU_SOURCE -DRINGROOM_DCHECK -DRINGROOM_VERSION='"lint"' \
        --quiet -j "$jobs" --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
        --template='{file}:{line}:{column}: {severity}: {message} [{id}]' src 2>&1 || true
}

# FILE:LINE:COLUMN: warning: TEXT [CHECK,…]; drops those that are known.
unknown() {
    sed "s#^$PWD/##" | sort -u | awk '
        FNR == NR { if ($1 !~ /^#/) known[$1 " " $2] = 1; next }
        {
            file = $1; sub(/:.*/, "", file)
            check = $0; sub(/.*\[/, "", check); sub(/[],].*/, "", check); sub(/^-W/, "", check)
            sub(/=.*/, "", check)
            if (!((file " " check) in known)) print
        }' tests/lint.known -
}

{
    tidy
    check
    analyser
} | unknown | tee "$found"
[ ! -s "$found" ]
