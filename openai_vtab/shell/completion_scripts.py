"""Completions of the command line in bash and zsh, from the descriptions of its options.

>>> run(["bash"])      # eval "$(openai-vtab completion bash)"
0
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass

from ..settings import Settings, described
from ..settings.kinds import Choice
from . import run_options, sync_options
from .options import ALL, SETTINGS

USAGE = "openai-vtab completion writes the completions of one shell; write openai-vtab completion bash, or zsh"
WRONG = 2  # the exit status of a wrong command line
BASH = """\
# The completions of openai-vtab for bash. Add to ~/.bashrc: eval "$(openai-vtab completion bash)"
_openai_vtab() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command= option= place=0 i=1
    COMPREPLY=()
    if ((COMP_CWORD > 1)); then
        case ${{COMP_WORDS[1]}} in sync | run | completion) command=${{COMP_WORDS[1]}} i=2 ;; esac
    fi
    # option: the one whose value is completed; place: the number of other arguments before
    for ((; i < COMP_CWORD; i++)); do
        case $command:${{COMP_WORDS[i]}} in
            run:-m) return ;;
            *:= | *::) ((i++)) ;; # bash splits --name=value and addresses there
            {valued})
                option=${{COMP_WORDS[i++]}}
                [[ ${{COMP_WORDS[i]}} != = ]] || ((i++))
                ;;
            *:-*) ;;
            run:*) return ;; # what follows PROGRAM is the program's
            *) ((place++)) ;;
        esac
    done
    ((i > COMP_CWORD)) || option=
    # without a completion of ours, bash offers files
    case $option in
{choices}
        {folders}) _openai_vtab_paths -d ;;
    esac
    [[ -z $option ]] || return
    case $command:$place:$current in
        completion:*) _openai_vtab_words "bash zsh" ;;
        sync:*:-*) _openai_vtab_words "{sync}" ;;
        run:*:-*) _openai_vtab_words "{run}" ;;
        :*:-*) _openai_vtab_words "{shell}" ;;
        sync:0:*) _openai_vtab_paths -d ;;
        run:*) _openai_vtab_paths -c -f ;;
        :0:*) ((COMP_CWORD > 1)) || _openai_vtab_paths -W "sync run completion" -f ;;
    esac
}}
_openai_vtab_words() {{
    COMPREPLY=($(compgen -W "$1" -- "$current"))
}}
_openai_vtab_paths() {{
    local path
    compopt -o filenames 2> /dev/null # a folder ends with a slash
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$@" -- "$current")
}}
complete -o bashdefault -o default -F _openai_vtab openai-vtab
"""
ZSH = """\
#compdef openai-vtab
# The completions of openai-vtab for zsh. Add to ~/.zshrc, after compinit: eval "$(openai-vtab completion zsh)"
_openai_vtab() {{
    case $words[2] in
        sync)
            shift words
            (( CURRENT-- ))
            _arguments -S {sync} \\
                '1:folder:_files -/' '2:database:_files'
            ;;
        run)
            shift words
            (( CURRENT-- ))
            _arguments -S -A '-*' {run} \\
                '1:program: _alternative "commands\\:command\\:_command_names -e" "files\\:file\\:_files"' \\
                '*:argument:_files'
            ;;
        completion)
            _arguments '1: :' '2:shell:(bash zsh)'
            ;;
        *)
            _arguments {shell} \\
                '1:database: _alternative "commands\\:command\\:(sync run completion)" "files\\:database\\:_files"' \\
                '*:SQL: '
            ;;
    esac
}}
compdef _openai_vtab openai-vtab
"""
FILES = {"DIR": "_files -/", "FILE": "_files"}  # what completes an option's argument in zsh


@dataclass(frozen=True)
class Word:
    """An option of the command line. argument: the name of its value, "" if it has none; choices: its values."""

    text: str
    help: str
    argument: str = ""
    choices: tuple[str, ...] = ()


def run(arguments: Sequence[str]) -> int:
    """Write the script of the shell that the arguments name. Returns the exit status."""
    scripts = {"bash": bash, "zsh": zsh}
    if len(arguments) != 1 or arguments[0] not in scripts:
        sys.stderr.write(f"{USAGE}\n")
        return WRONG
    sys.stdout.write(scripts[arguments[0]]())
    return 0


def shell_words() -> list[Word]:
    """The options of openai-vtab that APSW's shell does not have."""
    settings = described(Settings)
    words = []
    for option in ALL:
        kind = settings[SETTINGS[option.name][0]].kind if option.argument and option.name in SETTINGS else None
        choices = kind.values if isinstance(kind, Choice) else ()
        words.append(Word(f"--{option.name}", option.help, option.argument, choices))
    return words


def command_words(parser: ArgumentParser) -> list[Word]:
    """The options of a command such as openai-vtab sync."""
    actions = [action for action in parser._actions if action.option_strings]  # argparse has no other way
    return [Word(a.option_strings[-1], a.help or "", str(a.metavar or "")) for a in actions]


def bash() -> str:
    """The script for bash."""
    shell, sync, run = (
        shell_words(),
        command_words(sync_options.make_parser()),
        command_words(run_options.make_parser()),
    )
    words = {word.text: word for word in (*sync, *run, *shell)}.values()
    return BASH.format(
        valued=" | ".join(f"*:{word.text}" for word in words if word.argument),
        choices="\n".join(
            f'        {word.text}) _openai_vtab_words "{" ".join(word.choices)}" ;;' for word in words if word.choices
        ),
        folders=" | ".join(word.text for word in words if word.argument == "DIR"),
        **{name: _texts(of) for name, of in (("sync", sync), ("run", run), ("shell", shell))},
    )


def zsh() -> str:
    """The script for zsh."""
    lines = " \\\n                "
    words = {
        "sync": command_words(sync_options.make_parser()),
        "run": command_words(run_options.make_parser()),
        "shell": shell_words(),
    }
    return ZSH.format(**{name: lines.join(map(_spec, of)) for name, of in words.items()})


def _texts(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _spec(word: Word) -> str:
    """The option as `_arguments` of zsh takes it, quoted."""
    explanation = word.help.replace("%%", "%").replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    text = f"{word.text}[{explanation}]"
    if word.argument:
        values = f"({' '.join(word.choices)})" if word.choices else FILES.get(word.argument, " ")
        text += f":{word.argument}:{values}"
    quoted = text.replace("'", "'\\''")
    return f"'{quoted}'"
