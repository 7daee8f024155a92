# SPDX-License-Identifier: MPL-2.0
# Made by shtab from the parser of eic-sandbox: `make docs`. The functions in it are shtab's, 2020-2026 (c) Casper da
# Costa-Luis, https://github.com/tqdm/shtab.


# Parse current commandline:
# - _shtab_eic_sandbox_cmdpath=(sub)command path seen so far
# - _shtab_eic_sandbox_npos=number of positional arguments given after it
# - options are skipped based on _shtab_eic_sandbox_opts_with_value & _shtab_eic_sandbox_commands lists
function _shtab_eic_sandbox_scan
  set -g _shtab_eic_sandbox_cmdpath ''
  set -g _shtab_eic_sandbox_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_eic_sandbox_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_eic_sandbox_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_eic_sandbox_cmdpath"
            set candidate "$_shtab_eic_sandbox_cmdpath $t"
          end
          if contains -- $candidate $_shtab_eic_sandbox_commands
            set -g _shtab_eic_sandbox_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_eic_sandbox_npos (math $_shtab_eic_sandbox_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_eic_sandbox_using
  _shtab_eic_sandbox_scan
  test "$_shtab_eic_sandbox_cmdpath" = "$argv"
end

set -g _shtab_eic_sandbox_commands run status faults can trail env fault clear rotate push attach detach revoke stop start
set -g _shtab_eic_sandbox_opts_with_value --api-port --as --context --control --control-port --directory --domain --file --host --imds-port --instance --instance-id --path --region --times --tls-host --tls-port --window --world --zone

complete -c eic-sandbox -e
complete -c eic-sandbox -f

complete -c eic-sandbox -n _shtab_eic_sandbox_using -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n _shtab_eic_sandbox_using -l version -d 'show program'"'"'s version number and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a run -d 'serve IMDS, the APIs, tunnels and the control API until interrupted'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l world -xka "(__fish_complete_path (commandline -ct))" -d 'a world file (docs/sandbox.md); without it: one of everything'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l host -x -d 'the address to listen on (default: 127.0.0.1)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l imds-port -x -d 'default: any free port'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l api-port -x -d 'default: any free port'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l control-port -x -d 'default: any free port'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l tls-port -x -d 'default: any free port'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l tls-host -x -d 'the address for tunnels, if it is not that of --host'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l directory -xka "(__fish_complete_directories)" -d 'write certificates, configurations, sandbox.json and the trail there'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l allow-other-ports -d 'open tunnels to any port, as AWS does not (AWS: 22 and 3389)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l instance-id -x -d 'without --world (default: i-0123456789abcdef0)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l region -x -d 'without --world (default: us-west-2)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l zone -x -d 'without --world (default: us-west-2a)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l domain -x -d 'without --world (default: amazonaws.com)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using run' -l window -x -d 'without --world: seconds for which a key is valid (default: 60)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a status -d 'print the URLs, instances, endpoints and faults of a running sandbox'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using status' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using status' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using status' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a faults -d 'list every fault'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using faults' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a can -d 'print whether policies allow a request, and which statement decides'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using can' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using can' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using can' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using can' -l context -x -d 'a condition key; again: one more of its values, or another key'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a trail -d 'print the events of the trail, one a line, the oldest first'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using trail' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using trail' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using trail' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a env -d 'print shell commands: eval "$(eic-sandbox env --as alice)"'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using env' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using env' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using env' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using env' -l as -x -d 'a user, or ROLE/SESSION (default: the first user)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using env' -l hosts -d 'print lines for /etc/hosts instead: tunnels go to host names on port 443'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a fault -d 'set a fault'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -l path -xka "(__fish_complete_path (commandline -ct))" -d 'only for IMDS paths that contain this text'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -l times -x -d 'only for this number of requests'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault' -l instance -x -d 'only at this instance (default: at all)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using fault; and test $_shtab_eic_sandbox_npos -eq 0' -ka "hang slow error-500 error-503 unauthorized forbidden redirect drop truncate garbage huge-body wrong-signer-name other-root unfit-signer expired-signer no-certificate revoked revoked-long-ago unknown-staples stale-staples early-staples no-next-update-staples unauthorized-responder-staples undelegated-staples delegated-staples refused-staples garbage-staples missing-staples missing-staple sha256-staple-names hostile-staple-names bad-signature other-instance past-timestamp far-future-timestamp malformed-blocks malformed-keys wrapped-signatures mixed-blocks unknown-domain foreign-domain no-region bad-instance-id api-auth api-throttling api-service api-instance-stopped api-instance-unavailable" -d NAME
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a clear -d 'clear one fault, or all'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using clear' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using clear' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using clear' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using clear' -l instance -x -d 'only at this instance (default: at all)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using clear; and test $_shtab_eic_sandbox_npos -eq 0' -ka "hang slow error-500 error-503 unauthorized forbidden redirect drop truncate garbage huge-body wrong-signer-name other-root unfit-signer expired-signer no-certificate revoked revoked-long-ago unknown-staples stale-staples early-staples no-next-update-staples unauthorized-responder-staples undelegated-staples delegated-staples refused-staples garbage-staples missing-staples missing-staple sha256-staple-names hostile-staple-names bad-signature other-instance past-timestamp far-future-timestamp malformed-blocks malformed-keys wrapped-signatures mixed-blocks unknown-domain foreign-domain no-region bad-instance-id api-auth api-throttling api-service api-instance-stopped api-instance-unavailable" -d NAME
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a rotate -d 'make a new signer or new staples, or expire every token'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using rotate' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using rotate' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using rotate' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using rotate' -l instance -x -d 'only of this instance (the signer: of its Region)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using rotate; and test $_shtab_eic_sandbox_npos -eq 0' -ka "signer staples tokens" -d what
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a push -d 'push a public key without the checks of the API'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push' -l instance -x -d 'only to this instance (default: to all)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push; and test $_shtab_eic_sandbox_npos -eq 0' -ka "(__fish_complete_users)" -d user
complete -c eic-sandbox -n '_shtab_eic_sandbox_using push; and test $_shtab_eic_sandbox_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'a file that contains one public key'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a attach -d 'attach a policy to a user or role'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using attach' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using attach' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using attach' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using attach' -l file -xka "(__fish_complete_path (commandline -ct))" -d 'the policy in JSON (default: the world file'"'"'s policy of this name)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a detach -d 'detach a policy from a user or role'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using detach' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using detach' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using detach' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a revoke -d 'deny everything to the sessions of a role that began until now'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using revoke' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using revoke' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using revoke' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a stop -d 'stop an instance'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using stop' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using stop' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using stop' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using; and test $_shtab_eic_sandbox_npos -eq 0' -a start -d 'start a stopped instance'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using start' -s h -l help -d 'show this help message and exit'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using start' -l control -x -d 'the control API'"'"'s URL (default: read from sandbox.json in --directory)'
complete -c eic-sandbox -n '_shtab_eic_sandbox_using start' -l directory -xka "(__fish_complete_directories)" -d 'the directory of `run --directory` (default: .)'
