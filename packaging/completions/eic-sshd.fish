# SPDX-License-Identifier: MPL-2.0
# Made by shtab from the parser of eic-sshd: `make docs`. The functions in it are shtab's, 2020-2026 (c) Casper da
# Costa-Luis, https://github.com/tqdm/shtab.


# Parse current commandline:
# - _shtab_eic_sshd_cmdpath=(sub)command path seen so far
# - _shtab_eic_sshd_npos=number of positional arguments given after it
# - options are skipped based on _shtab_eic_sshd_opts_with_value & _shtab_eic_sshd_commands lists
function _shtab_eic_sshd_scan
  set -g _shtab_eic_sshd_cmdpath ''
  set -g _shtab_eic_sshd_npos 0
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
        if contains -- $t $_shtab_eic_sshd_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_eic_sshd_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_eic_sshd_cmdpath"
            set candidate "$_shtab_eic_sshd_cmdpath $t"
          end
          if contains -- $candidate $_shtab_eic_sshd_commands
            set -g _shtab_eic_sshd_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_eic_sshd_npos (math $_shtab_eic_sshd_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_eic_sshd_using
  _shtab_eic_sshd_scan
  test "$_shtab_eic_sshd_cmdpath" = "$argv"
end

set -g _shtab_eic_sshd_commands check-config disable doctor enable explain log serve
set -g _shtab_eic_sshd_opts_with_value --addr --as-of --caller --config --fail-on --fingerprint --from --only --reason --save --session --since --skip --socket --trail --until --user

complete -c eic-sshd -e
complete -c eic-sshd -f

complete -c eic-sshd -n _shtab_eic_sshd_using -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n _shtab_eic_sshd_using -l version -d 'show program'"'"'s version number and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a check-config -d 'report whether the configuration is valid and (as root) fits sshd'"'"'s, and print every setting'
complete -c eic-sshd -n '_shtab_eic_sshd_using check-config' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using check-config' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the configuration file (default: /etc/eic-sshd/eic-sshd.conf)'
complete -c eic-sshd -n '_shtab_eic_sshd_using check-config' -l fail-on -xka "problem warning" -d 'end with status 1 if there is one (default: problem); a warning is, for example, a setting of sshd by which no pushed key logs in although eic-sshd is enabled (`PubkeyAuthentication no`)'
complete -c eic-sshd -n '_shtab_eic_sshd_using check-config' -l strict -d 'as --fail-on warning'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a disable -d 'remove eic-sshd from sshd'"'"'s configuration; what the site had before applies again'
complete -c eic-sshd -n '_shtab_eic_sshd_using disable' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using disable' -l dry-run -d 'print what would be done, and change nothing'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a doctor -d 'report why pushed keys do not log in on this machine: the root cause, and the command that corrects it'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l user -xka "(__fish_complete_users)" -d 'look at a login as this user too (AllowUsers, shell, expired account, PAM)'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l addr -x -d 'the client'"'"'s address in that login'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l only -xka "program configuration sshd running-sshd settings selinux services imds imds-other clock trust other-logins user-database records login" -d 'make this check only: program, configuration, sshd, running-sshd, settings, selinux, services, imds, imds-other, clock, trust, other-logins, user-database, records, login'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l skip -xka "program configuration sshd running-sshd settings selinux services imds imds-other clock trust other-logins user-database records login" -d 'leave this check out'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l fail-on -xka "problem warning" -d 'end with status 1 if there is one (default: problem); what is unknown counts as a warning'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l json -d 'print JSON, whose form /usr/share/doc/eic-sshd/docs/doctor.md describes'
complete -c eic-sshd -n '_shtab_eic_sshd_using doctor' -l redact -d 'replace ARNs, accounts, addresses, public keys, fingerprints, request ids, instance ids and the name of --user'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a enable -d 'configure sshd to run eic-sshd; another AuthorizedKeysCommand is kept, unless one of these options is given'
complete -c eic-sshd -n '_shtab_eic_sshd_using enable' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using enable' -l chain -d 'put eic-sshd in front of the existing AuthorizedKeysCommand; eic-sshd then runs both'
complete -c eic-sshd -n '_shtab_eic_sshd_using enable' -l replace -d 'put eic-sshd in place of the existing AuthorizedKeysCommand, which does not run until `eic-sshd disable`'
complete -c eic-sshd -n '_shtab_eic_sshd_using enable' -l renew -d 'only replace the lines that an older version wrote, if sshd uses them; upgrades of the packages do this'
complete -c eic-sshd -n '_shtab_eic_sshd_using enable' -l dry-run -d 'print what would be done, and change nothing'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a explain -d 'decide now whether a pushed key may log in as USER, and print each rule with what was seen'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the configuration file (default: /etc/eic-sshd/eic-sshd.conf)'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l json -d 'print JSON, whose form /usr/share/doc/eic-sshd/docs/explain.md describes'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l redact -d 'replace callers, accounts, users, keys, request ids, instance ids and addresses by marks'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l caller -x -d 'whether a key that this caller pushes may log in as USER, by [users] and [policy]; IMDS is not read'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l save -xka "(__fish_complete_directories)" -d 'make the folder DIR and keep IMDS'"'"'s answers in it; with --redact it holds verdicts only'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l from -xka "(__fish_complete_directories)" -d 'decide on the answers that --save kept in DIR; IMDS is not read'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain' -l as-of -x -d 'with --from: decide as at this time, in seconds since the epoch or as 2026-01-31T12:00:00Z (default: when the answers were saved)'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain; and test $_shtab_eic_sshd_npos -eq 0' -ka "(__fish_complete_users)" -d 'the OS user (with --from, by default the saved one)'
complete -c eic-sshd -n '_shtab_eic_sshd_using explain; and test $_shtab_eic_sshd_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'the key that the SSH client offers: its fingerprint, the file of its public key, or - to read the public key from standard input (default: any key)'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a log -d 'show who logged in, by which key, from where and until when, and why logins were refused'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l since -x -d 'only connections that began then or later (default: 7 days ago). TIME is 2026-11-29, '"'"'2026-11-29 07:00[:00]'"'"' or 07:00 in local time, 2026-11-29T07:00:00Z, @SECONDS since the epoch, now, today, yesterday, or an age such as 90min, 2h or 7d'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l until -x -d 'only connections that began then or before'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l user -xka "(__fish_complete_users)" -d 'only of this OS user'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l caller -x -d 'only with a key whose caller'"'"'s ARN contains TEXT'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l reason -x -d 'only with a decision for this reason, such as expired'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l fingerprint -x -d 'only with a key whose fingerprint begins so'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l all -d 'also connections that ended before sshd ran eic-sshd, such as scans'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l json -d 'print one JSON object a line (/usr/share/doc/eic-sshd/docs/audit.md)'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l follow -d 'go on, and print logins and refusals as they come'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l stats -d 'print counts, and how long decisions took'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l session -x -d 'print who holds the open login session ID of systemd-logind (default: this process'"'"'s own session)'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l trail -xka "(__fish_complete_path (commandline -ct))" -d 'compare with CloudTrail'"'"'s events: a log file, a folder of such files, or the output of `aws cloudtrail lookup-events`'
complete -c eic-sshd -n '_shtab_eic_sshd_using log' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the configuration file (default: /etc/eic-sshd/eic-sshd.conf)'
complete -c eic-sshd -n '_shtab_eic_sshd_using; and test $_shtab_eic_sshd_npos -eq 0' -a serve -d 'run the resident daemon (systemd does that at the first login)'
complete -c eic-sshd -n '_shtab_eic_sshd_using serve' -s h -l help -d 'show this help message and exit'
complete -c eic-sshd -n '_shtab_eic_sshd_using serve' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'create the socket there (default: the one that systemd passes, otherwise /run/eic-sshd/authorize.sock)'
complete -c eic-sshd -n '_shtab_eic_sshd_using serve' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'the configuration file'
