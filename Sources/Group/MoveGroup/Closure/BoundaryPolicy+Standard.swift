extension BoundaryPolicy {
    /// The default policy as a policy file. `retinue policy` prints it.
    ///
    /// Paths are those behind the links of a merged /usr and those in front of them.
    public static let standardText = """
        # Where a move group ends, unless something else is asked for.
        #
        #   [follow] KIND PATTERN [in WORKLOAD]
        #
        # In a pattern * is any text without a slash, ? one character, ** any text. The first rule that
        # matches decides; "follow" before a rule makes it say that nothing stops there. WORKLOAD is a
        # pattern for the control group, or "none" for programs that have none.

        # Programs that start others on somebody's behalf. What they start does not belong to them.
        launcher **/systemd
        launcher **/systemd-executor
        launcher **/init
        launcher **/tini
        launcher **/dumb-init
        launcher **/runit
        launcher **/runsv
        launcher **/runsvdir
        launcher **/s6-svscan
        launcher **/s6-supervise
        launcher **/supervisord
        launcher **/start-stop-daemon
        launcher **/sshd
        launcher **/sshd-session
        launcher **/login
        launcher **/agetty
        launcher **/getty
        launcher **/su
        launcher **/sudo
        launcher **/doas
        launcher **/runuser
        launcher **/setpriv
        launcher **/cron
        launcher **/crond
        launcher **/anacron
        launcher **/atd
        launcher **/at
        launcher **/containerd
        launcher **/containerd-shim*
        launcher **/dockerd
        launcher **/docker
        launcher **/docker-init
        launcher **/podman
        launcher **/conmon
        launcher **/crun
        launcher **/runc
        launcher **/crio
        launcher **/kubelet
        launcher **/lxc-start
        launcher **/tmux
        launcher **/tmux:*
        launcher **/screen
        launcher **/ip
        launcher **/nsenter
        launcher **/unshare
        launcher **/systemctl
        launcher **/service
        launcher **/retinued
        # Login shells: without a script, and not in the control group of a service. A shell that runs a
        # script goes by the script's name and is a program like any other.
        launcher **/sh in none
        launcher **/bash in none
        launcher **/dash in none
        launcher **/zsh in none
        launcher **/fish in none
        launcher **/ksh* in none
        launcher **/tcsh in none
        launcher **/busybox in none
        launcher **/sh in user.slice/**
        launcher **/bash in user.slice/**
        launcher **/dash in user.slice/**
        launcher **/zsh in user.slice/**
        launcher **/fish in user.slice/**
        launcher **/ksh* in user.slice/**
        launcher **/tcsh in user.slice/**
        launcher **/busybox in user.slice/**
        # Likewise the shells, without a script, that jobs and sessions are started with.
        launcher **/sh in system.slice/cron.service
        launcher **/bash in system.slice/cron.service
        launcher **/dash in system.slice/cron.service
        launcher **/sh in system.slice/crond.service
        launcher **/bash in system.slice/crond.service
        launcher **/dash in system.slice/crond.service
        launcher **/sh in system.slice/atd.service
        launcher **/bash in system.slice/atd.service
        launcher **/dash in system.slice/atd.service
        launcher **/sh in system.slice/ssh.service
        launcher **/bash in system.slice/ssh.service
        launcher **/dash in system.slice/ssh.service
        launcher **/sh in system.slice/sshd.service
        launcher **/bash in system.slice/sshd.service
        launcher **/dash in system.slice/sshd.service

        # Tools that many use for unrelated things, where no control group shows whose they are. They move, and
        # what else they were used for does not.
        tool **/basename in none
        tool **/cat in none
        tool **/chmod in none
        tool **/chown in none
        tool **/cp in none
        tool **/cut in none
        tool **/date in none
        tool **/dd in none
        tool **/df in none
        tool **/diff in none
        tool **/dirname in none
        tool **/du in none
        tool **/echo in none
        tool **/env in none
        tool **/expr in none
        tool **/find in none
        tool **/getent in none
        tool **/grep in none
        tool **/egrep in none
        tool **/fgrep in none
        tool **/head in none
        tool **/hostname in none
        tool **/id in none
        tool **/install in none
        tool **/ionice in none
        tool **/less in none
        tool **/ln in none
        tool **/ls in none
        tool **/mkdir in none
        tool **/mktemp in none
        tool **/more in none
        tool **/mv in none
        tool **/nice in none
        tool **/nohup in none
        tool **/od in none
        tool **/paste in none
        tool **/printf in none
        tool **/pwd in none
        tool **/readlink in none
        tool **/realpath in none
        tool **/rm in none
        tool **/rmdir in none
        tool **/sed in none
        tool **/seq in none
        tool **/setsid in none
        tool **/sleep in none
        tool **/sort in none
        tool **/split in none
        tool **/stat in none
        tool **/stdbuf in none
        tool **/tac in none
        tool **/tail in none
        tool **/taskset in none
        tool **/tee in none
        tool **/test in none
        tool **/timeout in none
        tool **/touch in none
        tool **/tr in none
        tool **/true in none
        tool **/uname in none
        tool **/uniq in none
        tool **/wc in none
        tool **/which in none
        tool **/xargs in none
        tool **/awk in none
        tool **/gawk in none
        tool **/mawk in none
        tool **/gzip in none
        tool **/tar in none
        tool **/jq in none
        tool **/vi in none
        tool **/vim* in none
        tool **/nano in none
        tool **/basename in user.slice/**
        tool **/cat in user.slice/**
        tool **/chmod in user.slice/**
        tool **/chown in user.slice/**
        tool **/cp in user.slice/**
        tool **/cut in user.slice/**
        tool **/date in user.slice/**
        tool **/dd in user.slice/**
        tool **/df in user.slice/**
        tool **/diff in user.slice/**
        tool **/dirname in user.slice/**
        tool **/du in user.slice/**
        tool **/echo in user.slice/**
        tool **/env in user.slice/**
        tool **/expr in user.slice/**
        tool **/find in user.slice/**
        tool **/getent in user.slice/**
        tool **/grep in user.slice/**
        tool **/egrep in user.slice/**
        tool **/fgrep in user.slice/**
        tool **/head in user.slice/**
        tool **/hostname in user.slice/**
        tool **/id in user.slice/**
        tool **/install in user.slice/**
        tool **/ionice in user.slice/**
        tool **/less in user.slice/**
        tool **/ln in user.slice/**
        tool **/ls in user.slice/**
        tool **/mkdir in user.slice/**
        tool **/mktemp in user.slice/**
        tool **/more in user.slice/**
        tool **/mv in user.slice/**
        tool **/nice in user.slice/**
        tool **/nohup in user.slice/**
        tool **/od in user.slice/**
        tool **/paste in user.slice/**
        tool **/printf in user.slice/**
        tool **/pwd in user.slice/**
        tool **/readlink in user.slice/**
        tool **/realpath in user.slice/**
        tool **/rm in user.slice/**
        tool **/rmdir in user.slice/**
        tool **/sed in user.slice/**
        tool **/seq in user.slice/**
        tool **/setsid in user.slice/**
        tool **/sleep in user.slice/**
        tool **/sort in user.slice/**
        tool **/split in user.slice/**
        tool **/stat in user.slice/**
        tool **/stdbuf in user.slice/**
        tool **/tac in user.slice/**
        tool **/tail in user.slice/**
        tool **/taskset in user.slice/**
        tool **/tee in user.slice/**
        tool **/test in user.slice/**
        tool **/timeout in user.slice/**
        tool **/touch in user.slice/**
        tool **/tr in user.slice/**
        tool **/true in user.slice/**
        tool **/uname in user.slice/**
        tool **/uniq in user.slice/**
        tool **/wc in user.slice/**
        tool **/which in user.slice/**
        tool **/xargs in user.slice/**
        tool **/awk in user.slice/**
        tool **/gawk in user.slice/**
        tool **/mawk in user.slice/**
        tool **/gzip in user.slice/**
        tool **/tar in user.slice/**
        tool **/jq in user.slice/**
        tool **/vi in user.slice/**
        tool **/vim* in user.slice/**
        tool **/nano in user.slice/**

        # Clients that a person starts in a session to look at a server, or to talk to any other one. A service that
        # starts them has them in its own control group, where they are followed.
        tool **/curl in user.slice/**/session-*.scope
        tool **/wget in user.slice/**/session-*.scope
        tool **/http in user.slice/**/session-*.scope
        tool **/psql in user.slice/**/session-*.scope
        tool **/pg_dump in user.slice/**/session-*.scope
        tool **/pg_dumpall in user.slice/**/session-*.scope
        tool **/pg_restore in user.slice/**/session-*.scope
        tool **/pg_isready in user.slice/**/session-*.scope
        tool **/mysql in user.slice/**/session-*.scope
        tool **/mysqldump in user.slice/**/session-*.scope
        tool **/mysqladmin in user.slice/**/session-*.scope
        tool **/mariadb in user.slice/**/session-*.scope
        tool **/mariadb-dump in user.slice/**/session-*.scope
        tool **/mariadb-admin in user.slice/**/session-*.scope
        tool **/redis-cli in user.slice/**/session-*.scope
        tool **/valkey-cli in user.slice/**/session-*.scope
        tool **/mongosh in user.slice/**/session-*.scope
        tool **/sqlite3 in user.slice/**/session-*.scope
        tool **/nc in user.slice/**/session-*.scope
        tool **/nc.openbsd in user.slice/**/session-*.scope
        tool **/nc.traditional in user.slice/**/session-*.scope
        tool **/ncat in user.slice/**/session-*.scope
        tool **/telnet in user.slice/**/session-*.scope
        tool **/ftp in user.slice/**/session-*.scope
        tool **/sftp in user.slice/**/session-*.scope
        tool **/ssh in user.slice/**/session-*.scope
        tool **/scp in user.slice/**/session-*.scope
        tool **/rsync in user.slice/**/session-*.scope
        tool **/curl in system.slice/ssh.service
        tool **/wget in system.slice/ssh.service
        tool **/http in system.slice/ssh.service
        tool **/psql in system.slice/ssh.service
        tool **/pg_dump in system.slice/ssh.service
        tool **/pg_dumpall in system.slice/ssh.service
        tool **/pg_restore in system.slice/ssh.service
        tool **/pg_isready in system.slice/ssh.service
        tool **/mysql in system.slice/ssh.service
        tool **/mysqldump in system.slice/ssh.service
        tool **/mysqladmin in system.slice/ssh.service
        tool **/mariadb in system.slice/ssh.service
        tool **/mariadb-dump in system.slice/ssh.service
        tool **/mariadb-admin in system.slice/ssh.service
        tool **/redis-cli in system.slice/ssh.service
        tool **/valkey-cli in system.slice/ssh.service
        tool **/mongosh in system.slice/ssh.service
        tool **/sqlite3 in system.slice/ssh.service
        tool **/nc in system.slice/ssh.service
        tool **/nc.openbsd in system.slice/ssh.service
        tool **/nc.traditional in system.slice/ssh.service
        tool **/ncat in system.slice/ssh.service
        tool **/telnet in system.slice/ssh.service
        tool **/ftp in system.slice/ssh.service
        tool **/sftp in system.slice/ssh.service
        tool **/ssh in system.slice/ssh.service
        tool **/scp in system.slice/ssh.service
        tool **/rsync in system.slice/ssh.service
        tool **/curl in system.slice/sshd.service
        tool **/wget in system.slice/sshd.service
        tool **/http in system.slice/sshd.service
        tool **/psql in system.slice/sshd.service
        tool **/pg_dump in system.slice/sshd.service
        tool **/pg_dumpall in system.slice/sshd.service
        tool **/pg_restore in system.slice/sshd.service
        tool **/pg_isready in system.slice/sshd.service
        tool **/mysql in system.slice/sshd.service
        tool **/mysqldump in system.slice/sshd.service
        tool **/mysqladmin in system.slice/sshd.service
        tool **/mariadb in system.slice/sshd.service
        tool **/mariadb-dump in system.slice/sshd.service
        tool **/mariadb-admin in system.slice/sshd.service
        tool **/redis-cli in system.slice/sshd.service
        tool **/valkey-cli in system.slice/sshd.service
        tool **/mongosh in system.slice/sshd.service
        tool **/sqlite3 in system.slice/sshd.service
        tool **/nc in system.slice/sshd.service
        tool **/nc.openbsd in system.slice/sshd.service
        tool **/nc.traditional in system.slice/sshd.service
        tool **/ncat in system.slice/sshd.service
        tool **/telnet in system.slice/sshd.service
        tool **/ftp in system.slice/sshd.service
        tool **/sftp in system.slice/sshd.service
        tool **/ssh in system.slice/sshd.service
        tool **/scp in system.slice/sshd.service
        tool **/rsync in system.slice/sshd.service

        # Programs that put files in place for others: a package manager wrote nearly every file there is.
        installer **/dpkg
        installer **/dpkg-deb
        installer **/apt
        installer **/apt-get
        installer **/unattended-upgrade
        installer **/rpm
        installer **/dnf
        installer **/dnf5
        installer **/yum
        installer **/zypper
        installer **/pacman
        installer **/apk
        installer **/snapd
        installer **/flatpak
        installer **/ldconfig
        installer **/ldconfig.real
        installer **/update-alternatives
        installer **/update-ca-certificates
        installer **/systemd-tmpfiles
        installer **/systemd-sysusers
        installer **/puppet
        installer **/chef-client
        installer **/salt-minion
        installer **/cloud-init

        # Services that every host has of its own.
        system **/systemd-*
        system **/(sd-pam)
        system **/dbus-daemon
        system **/dbus-broker*
        system **/polkitd
        system **/rsyslogd
        system **/syslog-ng
        system **/nscd
        system **/nslcd
        system **/sssd
        system **/chronyd
        system **/ntpd
        system **/dnsmasq
        system **/unbound
        system **/auditd
        system **/irqbalance
        system **/udevd

        # Devices, the kernel's views of itself, what lives until the next boot, system logs. What lies in
        # /dev/shm is memory that programs share, and no device.
        follow file /dev/shm/**
        file /dev/**
        file /proc/**
        file /sys/**
        file /run/utmp
        file /run/lock/**
        file /run/systemd/**
        file /run/udev/**
        file /run/user/**
        file /run/netns/**
        file /var/log/syslog*
        file /var/log/messages*
        file /var/log/auth.log*
        file /var/log/daemon.log*
        file /var/log/kern.log*
        file /var/log/secure*
        file /var/log/wtmp*
        file /var/log/btmp*
        file /var/log/lastlog
        file /var/log/faillog
        file /var/log/tallylog
        file /var/log/journal/**
        file /run/log/journal/**
        file /etc/mtab
        file /etc/.pwd.lock
        file /etc/resolv.conf
        file /etc/hostname
        file /etc/machine-id
        file /**/.bash_history
        file /**/.lesshst

        # The system bus and what else every host talks to itself over.
        ipc unix:/run/dbus/**
        ipc unix:/var/run/dbus/**
        ipc unix:@/tmp/dbus-*
        ipc unix:/run/systemd/**
        ipc unix:/run/user/**
        ipc unix:/run/udev/**
        ipc unix:/dev/log
        ipc unix:/run/nscd/**
        ipc unix:/var/run/nscd/**
        ipc unix:/run/rpcbind.sock
        ipc unix:/run/docker.sock
        ipc unix:/run/containerd/**
        ipc unix:@/org/kernel/**

        # Resolvers and time servers, whoever they are.
        endpoint tcp:*:53
        endpoint udp:*:53
        endpoint tcp:*:853
        endpoint udp:*:123
        endpoint udp:*:5353
        endpoint udp:*:67
        endpoint udp:*:68
        endpoint udp:*:547

        """
}
