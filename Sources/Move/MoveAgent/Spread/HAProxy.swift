import CLinux
import Glibc
import Procfs
import Records
import SystemCalls

/// haproxy(1) as what distributes: it connects anew to another member where one refuses, and checks them by itself, as the agent would.
///
/// It listens at ports of its own, to which nftables sends what comes to the service's, since the source has those.
struct HAProxy {
    static let tool = "haproxy"

    let folder: String
    let order: SpreadOrder

    private var settings: String { folder + "/haproxy.cfg" }
    private var pidFile: String { folder + "/haproxy.pid" }
    private var portsFile: String { folder + "/haproxy.json" }

    /// What haproxy reads.
    ///
    /// - Parameter listening: of each port of the service where haproxy listens for it.
    func text(_ listening: [UInt16: UInt16]) -> String {
        let isIPv6 = order.hosts[0].address.contains(":")
        func place(_ address: String, _ port: UInt16) -> String {
            address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
        }
        var text = """
            global
              maxconn 4096
            defaults
              mode tcp
              timeout connect 2s
              timeout client 1h
              timeout server 1h
              retries 3
              option redispatch 1

            """
        for port in order.balancedPorts {
            text += "listen port_\(port)\n"
            text += "  bind \(isIPv6 ? "[::]" : "0.0.0.0"):\(listening[port] ?? 0)\n"
            text += "  balance \(order.isStatic ? "source" : "roundrobin")\n"
            var check = order.isStatic ? "" : " check inter 250ms fall 2 rise 2"
            if case .http(let path) = order.probe {
                // Without it all of a check has to come within its interval.
                text += "  option httpchk GET \(path)\n  timeout check \(Probe.patience)s\n"
                // One port answers for the member: another one may speak something else.
                check += " port \(order.balancedPorts[0])"
            }
            if order.hasSource {
                let own = order.address ?? (isIPv6 ? "::1" : "127.0.0.1")
                text += "  server source \(place(own, port))\(check)\n"
            }
            for host in order.hosts {
                text += "  server \(host.name) \(place(host.address, port))\(check)\n"
            }
        }
        return text
    }

    /// Starts it, unless it runs.
    ///
    /// - Returns: of each port of the service where it listens for it.
    func begin() throws(MoveError) -> [UInt16: UInt16] {
        if let known = listening, process != nil { return known }
        var ports: [UInt16: UInt16] = [:]
        for port in order.balancedPorts { ports[port] = try Self.freePort(besides: Array(ports.values)) }
        try SafeFile.write(
            .object(ports.sorted { $0.key < $1.key }.map { .init("\($0.key)", .integer(Int128($0.value))) }),
            to: portsFile)
        do throws(SystemError) {
            let file = try FileDescriptor.open(
                settings, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            try file.writeAll(Array(text(ports).utf8))
        } catch { throw MoveError("\(settings): \(error)") }
        try Tool.need([Self.tool, "-q", "-D", "-f", settings, "-p", pidFile], seconds: 10)
        return ports
    }

    /// It takes no connection any more, and ends with the last that it has (SIGUSR1).
    func stopAccepting() throws(MoveError) {
        if let process { Members.signal(process, SIGUSR1) }
    }

    /// Ends it; that it does not run is no error.
    func end() throws(MoveError) {
        if let process {
            let end = EndOfProcess(process.pid)
            Members.signal(process, SIGTERM)
            let limit = Clock.monotonic() + 5_000_000_000
            while Members.lives(process), Clock.monotonic() < limit { end.wait(until: limit) }
            Members.signal(process, SIGKILL)
        }
        for path in [settings, pidFile, portsFile] { unlink(path) }
    }

    private var listening: [UInt16: UInt16]? {
        guard case .object(let members)? = SafeFile.read(portsFile) else { return nil }
        var found: [UInt16: UInt16] = [:]
        for member in members {
            guard let port = UInt16(member.key),
                let own = member.value.integer.flatMap({ UInt16(exactly: $0) })
            else { return nil }
            found[port] = own
        }
        return Set(found.keys) == Set(order.balancedPorts) ? found : nil
    }

    /// The one that was started here; another process that got its pid is none.
    private var process: Members.Process? {
        guard let bytes = (try? FileDescriptor.open(pidFile, O_RDONLY))?.bytes,
            let pid = Int32(String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)), pid > 1,
            let directory = ProcessDirectory(pid), let status = directory.status(),
            directory.arguments().contains(Array(settings.utf8))
        else { return nil }
        return Members.Process(pid: pid, parent: status.parent, start: status.startTicks, program: 0)
    }

    private static func freePort(besides taken: [UInt16]) throws(MoveError) -> UInt16 {
        for _ in 0..<16 {
            let port = try FreePort.find(isTCP: true)
            if !taken.contains(port) { return port }
        }
        throw MoveError("no port is free for \(tool)")
    }
}
