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
