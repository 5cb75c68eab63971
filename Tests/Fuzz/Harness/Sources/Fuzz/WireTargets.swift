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
        },
        FuzzTarget(name: "tracepoint-format") { bytes in
            if let format = try? TracepointFormat(bytes) { _ = try? TransitionLayout(format) }
        },
    ]
}
