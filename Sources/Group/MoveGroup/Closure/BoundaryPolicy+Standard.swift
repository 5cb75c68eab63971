extension BoundaryPolicy {
    /// The default policy as a policy file. `retinue policy` prints it.
    ///
    /// Paths are those behind the links of a merged /usr and those in front of them.
    public static let standardText = """
        # Where a move group ends, unless something else is asked for.
        #
        #   [follow] KIND PATTERN [in WORKLOAD [or WORKLOAD]...]
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
        launcher **/sh in none or user.slice/**
        launcher **/bash in none or user.slice/**
        launcher **/dash in none or user.slice/**
        launcher **/zsh in none or user.slice/**
        launcher **/fish in none or user.slice/**
        launcher **/ksh* in none or user.slice/**
        launcher **/tcsh in none or user.slice/**
        launcher **/busybox in none or user.slice/**

        # Likewise the shells, without a script, that jobs and sessions are started with.
        launcher **/sh in system.slice/cron.service or system.slice/crond.service or system.slice/atd.service or system.slice/ssh.service or system.slice/sshd.service
        launcher **/bash in system.slice/cron.service or system.slice/crond.service or system.slice/atd.service or system.slice/ssh.service or system.slice/sshd.service
        launcher **/dash in system.slice/cron.service or system.slice/crond.service or system.slice/atd.service or system.slice/ssh.service or system.slice/sshd.service

        # Tools that many use for unrelated things, where no control group shows whose they are. They move, and
        # what else they were used for does not.
        tool **/basename in none or user.slice/**
        tool **/cat in none or user.slice/**
        tool **/chmod in none or user.slice/**
        tool **/chown in none or user.slice/**
        tool **/cp in none or user.slice/**
        tool **/cut in none or user.slice/**
        tool **/date in none or user.slice/**
        tool **/dd in none or user.slice/**
        tool **/df in none or user.slice/**
        tool **/diff in none or user.slice/**
        tool **/dirname in none or user.slice/**
        tool **/du in none or user.slice/**
        tool **/echo in none or user.slice/**
        tool **/env in none or user.slice/**
        tool **/expr in none or user.slice/**
        tool **/find in none or user.slice/**
        tool **/getent in none or user.slice/**
        tool **/grep in none or user.slice/**
        tool **/egrep in none or user.slice/**
        tool **/fgrep in none or user.slice/**
        tool **/head in none or user.slice/**
        tool **/hostname in none or user.slice/**
        tool **/id in none or user.slice/**
        tool **/install in none or user.slice/**
        tool **/ionice in none or user.slice/**
        tool **/less in none or user.slice/**
        tool **/ln in none or user.slice/**
        tool **/ls in none or user.slice/**
        tool **/mkdir in none or user.slice/**
        tool **/mktemp in none or user.slice/**
        tool **/more in none or user.slice/**
        tool **/mv in none or user.slice/**
        tool **/nice in none or user.slice/**
        tool **/nohup in none or user.slice/**
        tool **/od in none or user.slice/**
        tool **/paste in none or user.slice/**
        tool **/printf in none or user.slice/**
        tool **/pwd in none or user.slice/**
        tool **/readlink in none or user.slice/**
        tool **/realpath in none or user.slice/**
        tool **/rm in none or user.slice/**
        tool **/rmdir in none or user.slice/**
        tool **/sed in none or user.slice/**
        tool **/seq in none or user.slice/**
        tool **/setsid in none or user.slice/**
        tool **/sleep in none or user.slice/**
        tool **/sort in none or user.slice/**
        tool **/split in none or user.slice/**
        tool **/stat in none or user.slice/**
        tool **/stdbuf in none or user.slice/**
        tool **/tac in none or user.slice/**
        tool **/tail in none or user.slice/**
        tool **/taskset in none or user.slice/**
        tool **/tee in none or user.slice/**
        tool **/test in none or user.slice/**
        tool **/timeout in none or user.slice/**
        tool **/touch in none or user.slice/**
        tool **/tr in none or user.slice/**
        tool **/true in none or user.slice/**
        tool **/uname in none or user.slice/**
        tool **/uniq in none or user.slice/**
        tool **/wc in none or user.slice/**
        tool **/which in none or user.slice/**
        tool **/xargs in none or user.slice/**
        tool **/awk in none or user.slice/**
        tool **/gawk in none or user.slice/**
        tool **/mawk in none or user.slice/**
        tool **/gzip in none or user.slice/**
        tool **/tar in none or user.slice/**
        tool **/jq in none or user.slice/**
        tool **/vi in none or user.slice/**
        tool **/vim* in none or user.slice/**
        tool **/nano in none or user.slice/**

        # Clients that a person starts in a session to look at a server, or to talk to any other one. A service that
        # starts them has them in its own control group, where they are followed.
        tool **/curl in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/wget in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/http in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/psql in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/pg_dump in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/pg_dumpall in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/pg_restore in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/pg_isready in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mysql in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mysqldump in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mysqladmin in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mariadb in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mariadb-dump in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mariadb-admin in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/redis-cli in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/valkey-cli in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/mongosh in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/sqlite3 in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/nc in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/nc.openbsd in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/nc.traditional in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/ncat in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/telnet in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/ftp in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/sftp in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/ssh in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/scp in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service
        tool **/rsync in user.slice/**/session-*.scope or system.slice/ssh.service or system.slice/sshd.service

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
