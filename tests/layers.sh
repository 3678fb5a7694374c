#!/usr/bin/env bash
# The layers' rule, checked: includes point down only, and each third-party library is visible in
# one layer only. Prints every line that breaks it.
set -eu
cd "$(dirname "$0")/.."
bad=0
layer() { # NAME "ALLOWED LAYERS" "ALLOWED THIRD-PARTY HEADERS, a regex"
    local files
    files=$(find "src/$1" "include/ringroom/$1" -name '*.[ch]')
    [ -n "$files" ] || return 0
    # shellcheck disable=SC2086
    if grep -nE '^#include "ringroom/' $files | grep -vE "\"ringroom/($2)/"; then bad=1; fi
    # shellcheck disable=SC2086
    if grep -nE '^#include <(liburing|openssl/|wslay/|jansson|http_parser|zlib)' $files |
        grep -vE "<($3)"; then bad=1; fi
}
layer base   'base'                                    'none'
layer sync   'base|sync'                               'none'
layer ring   'base|ring'                               'liburing'
layer wire   'base|wire'                               'openssl/|wslay/|http_parser'
layer room   'base|sync|room'                          'none'
layer proto  'base|room|wire|proto'                    'jansson'
layer shard  'base|sync|ring|wire|room|proto|shard'    'none'
layer terminal 'base|wire|proto|terminal'              'jansson'
layer server 'base|sync|ring|wire|room|proto|shard|terminal|server' 'jansson'
[ $bad = 0 ] && echo "layers: every include points down"
exit $bad
