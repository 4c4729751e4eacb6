--- harp completion: the shells' side of it. The words come from the program
-- itself (harp complete), out of the commands' parsers: so they are those of
-- the program that is called, and both shells have the same.

local output = require "harp.cli.output"

local SCRIPTS = {
  bash = [=[
# bash completion for harp, made by `harp completion bash`.
_harp()
{
    local word meaning current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    compopt -o nosort 2>/dev/null
    [[ $current == = ]] && current=
    while IFS=$'\t' read -r word meaning; do
        case $word in
        :files | :directories)
            compopt -o filenames 2>/dev/null
            while IFS= read -r meaning; do
                COMPREPLY+=("$meaning")
            done < <(compgen "-${word:1:1}" -- "$current")
            ;;
        :open) compopt -o nospace 2>/dev/null ;;
        *)
            [[ $word == *[!A-Za-z0-9_.,:=/@%+-]* ]] && printf -v word %q "$word"
            COMPREPLY+=("$word")
            ;;
        esac
    done < <("${COMP_WORDS[0]/#\~/$HOME}" complete -- \
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _harp harp]=],

  zsh = [=[
#compdef harp
# zsh completion for harp, made by `harp completion zsh`.
_harp()
{
    local word meaning
    local -a list open files
    while IFS=$'\t' read -r word meaning; do
        case $word in
        :files) files=(_files) ;;
        :directories) files=(_files -/) ;;
        :open) open=(-S '') ;;
        *) list+=("${word//:/\\:}${meaning:+:$meaning}") ;;
        esac
    done < <(${~words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#list )) && _describe -V harp list "${open[@]}"
    (( $#files )) && $files
}
if [[ $funcstack[1] == _harp ]]; then _harp "$@"; else compdef _harp harp; fi]=],
}

return {
  synopsis = "bash|zsh",
  purpose = "a shell's script for completion with Tab",
  details = [=[
Prints a script that completes commands, options, files, and what servers know: hosts,
procedures and their arguments, jobs. `make install` puts it where the shells look for it;
without that, the examples do.]=],
  examples = {
    { "source <(harp completion bash)", "in ~/.bashrc" },
    { "source <(harp completion zsh)", "in ~/.zshrc, after compinit" },
  },
  define = function(parser)
    parser:argument "shell":argname "SHELL":choices{ "bash", "zsh" }:description "Whose script: bash or zsh."
  end,
  run = function(options) output.line(SCRIPTS[options.shell]) end,
}
