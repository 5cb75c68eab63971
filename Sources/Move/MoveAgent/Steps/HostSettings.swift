import Glibc
import Records
import SystemCalls

/// Settings of a host that its programs may need: sysctls (proc_sys(5)), and its clock.
struct HostSettings: Equatable {
    /// Values by name, as `sysctl -n` prints them.
    var values: [String: String] = [:]
    /// CLOCK_REALTIME, nanoseconds since 1970.
    var clock: UInt64 = 0

    /// Of which programs get less where they are lower: limits that nobody derives from a host's memory.
    static let limits = [
        "fs.aio-max-nr", "fs.inotify.max_user_instances", "fs.inotify.max_user_watches",
        "fs.mqueue.msg_max", "fs.mqueue.msgsize_max", "fs.mqueue.queues_max", "fs.nr_open", "kernel.msgmax",
        "kernel.msgmnb", "kernel.msgmni", "kernel.pid_max", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "net.core.rmem_max", "net.core.somaxconn", "net.core.wmem_max",
        "net.ipv4.tcp_max_syn_backlog", "user.max_user_namespaces", "vm.max_map_count", "vm.nr_hugepages",
    ]
    /// Under which programs behave in another way where they are different.
    static let modes = [
        "net.ipv4.ip_local_port_range", "net.ipv4.ip_nonlocal_bind", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_keepalive_time", "net.ipv6.bindv6only", "vm.overcommit_memory", "vm.overcommit_ratio",
    ]

    /// Of this host, in the agent's own namespaces. What the kernel has not is not there.
    static func here() -> HostSettings {
        var settings = HostSettings()
        for name in limits + modes {
            let path = "/proc/sys/" + name.split(separator: ".").joined(separator: "/")
            guard let bytes = (try? FileDescriptor.open(path, O_RDONLY))?.bytes else { continue }
            settings.values[name] = words(String(decoding: bytes, as: UTF8.self)).joined(separator: " ")
        }
        settings.clock = Clock.wall()
        return settings
    }

    private static func words(_ text: String) -> [Substring] { text.split { " \t\n".contains($0) } }

    // MARK: As JSON

    var value: JSONValue {
        .object([
            .init("clock_ns", .integer(Int128(clock))),
            .init(
                "sysctls",
                .object(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
        ])
    }

    /// What is no number is left out: it is another host's word, which is printed.
    init(_ value: JSONValue) {
        clock = value["clock_ns"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
        for name in Self.limits + Self.modes {
            guard let text = value["sysctls"]?[name]?.string, text.utf8.count <= 100,
                !Self.words(text).isEmpty,
                Self.words(text).allSatisfy({ Int64($0) != nil || UInt64($0) != nil })
            else { continue }
            values[name] = text
        }
    }

    init() {}

    // MARK: Compared

    /// What programs that come from here would get less of there, or find otherwise.
    func differences(from there: HostSettings) -> [String] {
        func text(_ name: String, _ here: String, _ far: String) -> String {
            "\(name) is \(far) there, \(here) here"
        }
        return Self.limits.compactMap { name in
            guard let here = values[name], let far = there.values[name] else { return nil }
            let (own, other) = (Self.words(here), Self.words(far))
            guard own.count == other.count,
                zip(own, other).contains(where: { (UInt64($1) ?? 0) < (UInt64($0) ?? 0) })
            else { return nil }
            return text(name, here, far)
        }
            + Self.modes.compactMap { name in
                guard let here = values[name], let far = there.values[name], here != far else { return nil }
                return text(name, here, far)
            }
    }

    /// Nanoseconds of a second and of a minute.
    private static let second: Int64 = 1_000_000_000

    /// How much another host's clock differs, where that is a second or more beyond what the question took.
    ///
    /// - Parameters:
    ///   - before: this host's clock when the other one was asked.
    ///   - after: when it had answered.
    static func clockDifference(there: UInt64, before: UInt64, after: UInt64) -> String? {
        guard there > 0, after >= before else { return nil }
        let middle = before + (after - before) / 2
        let offset = Int64(clamping: Int128(there) - Int128(middle))
        let sure = max(0, Int64(clamping: offset.magnitude) - Int64(clamping: (after - before) / 2))
        guard sure >= second else { return nil }
        let seconds = Double(sure / (second / 10)) / 10
        return "the clock there is \(seconds) s \(offset > 0 ? "ahead" : "behind")"
    }
}
