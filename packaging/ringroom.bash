# bash completion for ringroom(1)
_ringroom() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="serve check doctor token help version" options="--config --set --help --version"

    case $previous in
    --config)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --set)
        mapfile -t COMPREPLY < <(ringroom help serve 2>/dev/null |
            sed -n 's/^  \([a-z_.]*\) = .*/\1=/p' | grep -F -- "${current%%=*}")
        compopt -o nospace
        return
        ;;
    esac
    [[ ${COMP_WORDS[1]} != token ]] || options+=" --sub --name --room --ttl --kid"
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands $options" -- "$current")
    elif [[ ${COMP_WORDS[1]} == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "serve check doctor token" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    fi
}
complete -F _ringroom ringroom
