import MoveGroup
import Records
import Testing

/// What the default policy stops at, and what it does not.
@Suite("Default policy")
struct StandardPolicyTests {
    /// Whether a program joins that starts another.
    private static func joins(asParent parent: Prog) -> Bool {
        let graph = join([HostDump("H", [.spawn(parent, "/app")])])
        return graph.outcome(of: [.program("H", "/app")], .init()).members.contains(.program("H", parent))
    }

    @Test(arguments: [
        "/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init", "/usr/bin/tini", "/usr/sbin/runit",
        "/usr/bin/supervisord", "/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/sbin/cron",
        "/usr/sbin/crond", "/usr/sbin/atd", "/bin/login", "/usr/bin/sudo", "/bin/su", "/usr/bin/dockerd",
        "/usr/bin/containerd", "/usr/bin/containerd-shim-runc-v2", "/usr/bin/conmon", "/usr/bin/runc",
        "/usr/bin/crun", "/usr/bin/kubelet", "/usr/bin/tmux", "/usr/sbin/retinued",
    ])
    func launchers(path: String) {
        #expect(!Self.joins(asParent: Prog(path)))
        #expect(!Self.joins(asParent: Prog(path, in: "system.slice/some.service")))
    }

    @Test(arguments: [
        "/bin/sh", "/usr/bin/bash", "/bin/dash", "/usr/bin/zsh", "/usr/bin/fish", "/bin/busybox",
    ])
    func loginShells(path: String) {
        #expect(!Self.joins(asParent: Prog(path)))
        #expect(!Self.joins(asParent: Prog(path, in: "user.slice/user-1000.slice/session-3.scope")))
        #expect(Self.joins(asParent: Prog(path, in: "system.slice/app.service")))
        #expect(Self.joins(asParent: Prog(path, in: "system.slice/docker-0123.scope")))
        #expect(Self.joins(asParent: Prog(path, script: "/opt/run.sh")))
        #expect(Self.joins(asParent: Prog(path, script: "/opt/run.sh", in: "user.slice/session-3.scope")))
        #expect(Self.joins(asParent: Prog(path, script: "/opt/run.sh", in: "system.slice/app.service")))
    }

    /// `sh -c` of every job, and of every session where no session has a control group of its own.
    @Test(arguments: ["cron.service", "crond.service", "atd.service", "ssh.service", "sshd.service"])
    func shellsOfJobsAndSessions(unit: String) {
        for path in ["/bin/sh", "/usr/bin/dash", "/usr/bin/bash"] {
            #expect(!Self.joins(asParent: Prog(path, in: "system.slice/" + unit)))
            #expect(Self.joins(asParent: Prog(path, script: "/opt/job.sh", in: "system.slice/" + unit)))
        }
    }

    @Test(arguments: [
        "/usr/bin/python3", "/usr/sbin/nginx", "/opt/init/app", "/usr/bin/perl", "/opt/systemd-app/run",
        "/usr/bin/make", "/opt/sshd/bin/wrapper", "/usr/bin/node", "/usr/bin/xargs",
    ])
    func noLaunchers(path: String) { #expect(Self.joins(asParent: Prog(path))) }

    /// What `cat` was used for elsewhere does not move, unless it is known to be this service's.
    @Test(arguments: ["/usr/bin/cat", "/bin/grep", "/usr/bin/env", "/usr/bin/xargs", "/usr/bin/vim.tiny"])
    func tools(path: String) {
        func members(in workload: String) -> Set<Named> {
            let tool = Prog(path, in: workload)
            let graph = join([
                HostDump("H", [.spawn("/app", tool), .spawn(tool, "/else"), .file(tool, "/f", "w")])
            ])
            return graph.outcome(of: [.program("H", "/app")], .init()).members
        }
        for workload in ["", "user.slice/user-0.slice/session-1.scope"] {
            #expect(
                members(in: workload) == [.program("H", "/app"), .program("H", Prog(path, in: workload))])
        }
        #expect(members(in: "system.slice/app.service").contains(.program("H", "/else")))
    }

    private static func stopping(_ facts: [Fact]) -> Set<NamedCrossing> {
        let graph = join([HostDump("H", ["10.0.0.1"], facts)])
        return graph.outcome(of: [.program("H", "/app")], .init()).crossings
    }

    @Test(arguments: [
        "/dev/null", "/dev/pts/3", "/proc/self/maps", "/proc/1/stat", "/sys/fs/cgroup/x", "/var/log/syslog",
        "/var/log/syslog.1", "/var/log/auth.log", "/var/log/messages", "/var/log/wtmp", "/run/utmp",
        "/var/log/journal/x/system.journal", "/etc/resolv.conf", "/home/u/.bash_history",
        "/run/systemd/notify",
    ])
    func filesOfEveryHost(path: String) {
        let found = Self.stopping([.file("/app", path, "rw"), .file("/other", path, "rw")])
        #expect(found.map(\.other) == [.file("H", path)])
    }

    @Test(arguments: [
        "/etc/app.conf", "/dev/shm/app", "/var/log/app/app.log", "/var/log/nginx/access.log", "/srv/dev/null",
        "/run/app.pid",
        "/opt/proc/x", "/devices", "/var/lib/app/sys/x", "/var/log/app.log",
    ])
    func filesOfPrograms(path: String) {
        #expect(Self.stopping([.file("/app", path, "rw"), .file("/other", path, "rw")]).isEmpty)
    }

    @Test(arguments: [
        "/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", "/run/systemd/journal/stdout",
        "/dev/log", "/run/user/1000/bus", "/run/nscd/socket", "@/tmp/dbus-abc", "/run/docker.sock",
    ])
    func systemBus(name: String) {
        let facts: [Fact] = [.ipc("/app", .unix, name, peer: "/usr/bin/any"), .ipc("/other", .unix, name)]
        let channel = Named.channel("H", .unix, name)
        #expect(Set(Self.stopping(facts).map(\.other)) == [channel, .program("H", "/usr/bin/any")])
    }

    @Test(arguments: ["/run/postgresql/.s.PGSQL.5432", "/run/app.sock", "/srv/run/dbus/x", "@app"])
    func otherSocketsAreFollowed(name: String) {
        let facts: [Fact] = [.ipc("/app", .unix, name, peer: "/usr/bin/any"), .ipc("/other", .unix, name)]
        #expect(Self.stopping(facts).isEmpty)
    }

    private static func service(_ text: String) throws -> (UInt16, Transport) {
        let words = text.split(separator: ":").map(String.init)
        return (try #require(UInt16(words[1])), try #require(Transport(word: words[0])))
    }

    @Test(arguments: ["udp:53", "tcp:53", "udp:123", "tcp:853", "udp:5353", "udp:67", "udp:547"])
    func resolversAndTimeServers(service: String) throws {
        let (port, transport) = try Self.service(service)
        for address in ["127.0.0.53", "8.8.8.8", "fd00::53"] {
            let known = Self.stopping([.connect("/app", address, port, transport, peer: "/usr/sbin/any")])
            #expect(known.map(\.other) == [.program("H", "/usr/sbin/any")])
            let far = Self.stopping([.connect("/app", address, port, transport)])
            #expect(far.count == 1 && far.first?.obstacle != .unobserved)
        }
    }

    @Test(arguments: ["tcp:80", "tcp:5432", "udp:530", "tcp:123", "tcp:1530"])
    func otherPortsAreFollowed(service: String) throws {
        let (port, transport) = try Self.service(service)
        #expect(Self.stopping([.connect("/app", "10.0.0.1", port, transport, peer: "/any")]).isEmpty)
        #expect(
            Self.stopping([.connect("/app", "10.0.0.9", port, transport)]).map(\.obstacle) == [.unobserved])
    }

    @Test(arguments: [
        "/usr/bin/dpkg", "/usr/bin/apt-get", "/usr/bin/rpm", "/usr/bin/dnf", "/sbin/apk", "/sbin/ldconfig",
        "/usr/bin/systemd-tmpfiles",
    ])
    func installers(path: String) {
        let facts: [Fact] = [
            .file("/app", "/usr/lib/x.so", "r"), .file("/other", "/usr/lib/x.so", "r"),
            .file(Prog(path), "/usr/lib/x.so", "rw"),
        ]
        let members = join([HostDump("H", facts)]).outcome(of: [.program("H", "/app")], .init()).members
        #expect(members == [.program("H", "/app"), .file("H", "/usr/lib/x.so")])
    }

    @Test(arguments: [
        "/usr/lib/systemd/systemd-journald", "/usr/bin/dbus-daemon", "/usr/sbin/rsyslogd",
        "/usr/sbin/chronyd",
        "/usr/lib/systemd/systemd-resolved", "/usr/sbin/nscd", "/usr/sbin/auditd",
    ])
    func systemServices(path: String) {
        let facts: [Fact] = [.connect("/app", "127.0.0.1", 9999, peer: Prog(path))]
        #expect(Self.stopping(facts).map(\.other) == [.program("H", Prog(path))])
    }
}
