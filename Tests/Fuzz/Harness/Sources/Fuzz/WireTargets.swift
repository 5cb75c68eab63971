import Fanotify
import ProcConnector
import SocketDiagnostics
import TracepointRing

/// What the kernel sends.
enum WireTargets {
    static let all = [
        FuzzTarget(name: "fanotify") { bytes in
            try? FanotifyEvent.parse(bytes.span.bytes) { event in
                for range in [event.directory, event.name, event.target, event.newDirectory, event.newName] {
                    require(
                        range.lowerBound >= 0 && range.upperBound <= bytes.count,
                        "\(range) of \(bytes.count) bytes")
                }
            }
        },
        FuzzTarget(name: "proc-connector") { bytes in _ = try? ProcessEvent.parse(bytes.span.bytes) },
        FuzzTarget(name: "sock-diag") { bytes in
            let rest = Array(bytes.dropFirst())
            switch (bytes.first ?? 0) % 3 {
            case 0: try? DestroyListener.parse(rest.span.bytes) { _ in }
            case 1: try? InetSocket.parse(rest.span.bytes, transport: .tcp) { _ = $0.payloadReceived }
            default: try? UnixSocket.parse(rest.span.bytes) { _ in }
            }
        },
        FuzzTarget(name: "tracepoint-records") { bytes in
            // A layout of the input's own: a recording brings one along.
            guard bytes.count > 23, let layout = try? TransitionLayout(Array(bytes[..<23])) else { return }
            require(layout.bytes == Array(bytes[..<23]), "a layout that is written as it was read")
            let records = Array(bytes[23...])
            try? TracepointRings.parse(records.span.bytes, layout: layout) { _ in
            } lost: { _ in
            }
            // A kernel's layout: no recording has one.
            guard let moves = GroupMoveLayout.ofThisKernel else { return }
            try? GroupMove.parse(records.span.bytes, layout: moves) { move in
                require(move.path.count <= records.count, "a path that is longer than what it stands in")
            }
            guard let execs = ExecLayout.ofThisKernel else { return }
            try? ExecReport.parse(records.span.bytes, layout: execs) { exec in
                require(exec.path.count <= records.count, "a path that is longer than what it stands in")
            } namespaces: { _ in
            }
            for routes in [RouteLayout.ofThisKernel, .ofThisKernelV6] {
                guard let routes else { continue }
                try? DatagramCall.parse(records.span.bytes, layout: routes) { _ in }
            }
        },
        FuzzTarget(name: "tracepoint-format") { bytes in
            guard let format = try? TracepointFormat(bytes) else { return }
            _ = try? TransitionLayout(format)
            _ = try? GroupMoveLayout(format)
            _ = try? ExecLayout(format)
            _ = try? RouteLayout(format, isV6: bytes.count % 2 == 0)
        },
    ]
}

extension RouteLayout {
    /// That of `fib:fib_table_lookup`, under a number that a short input can have.
    static let ofThisKernel = make(3, ("src", 28), ("dst", 32), ports: 56)
    /// That of `fib6:fib6_table_lookup`.
    static let ofThisKernelV6 = make(4, ("src", 31), ("dst", 47), ports: 64)

    private static func make(
        _ number: Int, _ source: (String, Int), _ destination: (String, Int), ports: Int
    ) -> RouteLayout? {
        let size = number == 3 ? 4 : 16
        let fields = [
            ("common_flags", 2, 1), (source.0, source.1, size), (destination.0, destination.1, size),
            ("sport", ports, 2), ("dport", ports + 2, 2),
        ]
        let lines = fields.map { "field:u8 \($0.0);\toffset:\($0.1);\tsize:\($0.2);\tsigned:0;\n" }.joined()
        let format = try? TracepointFormat(Array("ID: \(number)\n\(lines)".utf8))
        return format.flatMap { try? RouteLayout($0, isV6: number == 4) }
    }
}

extension GroupMoveLayout {
    /// That of `cgroup:cgroup_attach_task` since Linux 5.17, under a number that a short input can have.
    static let ofThisKernel: GroupMoveLayout? = {
        let fields = [
            ("int dst_root", 8, 4), ("u64 dst_id", 16, 8), ("int pid", 24, 4),
            ("__data_loc char[] dst_path", 28, 4),
        ]
        let lines = fields.map { "field:\($0.0);\toffset:\($0.1);\tsize:\($0.2);\tsigned:0;\n" }.joined()
        return (try? TracepointFormat(Array("ID: 1\n\(lines)".utf8))).flatMap { try? GroupMoveLayout($0) }
    }()
}

extension ExecLayout {
    /// That of `sched:sched_process_exec`, under a number that a short input can have.
    static let ofThisKernel: ExecLayout? = {
        let text = "ID: 2\nfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"
        return (try? TracepointFormat(Array(text.utf8))).flatMap { try? ExecLayout($0) }
    }()
}
