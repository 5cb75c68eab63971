import EventTrace
import Observation
import Records

@testable import Daemon

/// A recorded stream put together by hand: the test plays the kernel and the host.
struct Recording {
    private(set) var writer = TraceWriter()
    private var sequence: UInt32 = 0

    /// Times of a cycle, and of what happens in it.
    static let cutoff: UInt64 = 5_000_000_000
    /// 2026-11-21T02:00:00Z
    static let wall: UInt64 = 1_795_226_400_000_000_000

    var bytes: [UInt8] { writer.bytes }

    init(layout: [UInt8] = []) {
        writer.add(.host) { payload in
            payload.put("0123")
            payload.put("db1")
            payload.put("6.18.44")
            payload.put("b007")
            payload.put(Int32(23))
            payload.put("1.0")
            payload.put(Recording.wall - 1_000_000_000)
            payload.put(layout)
        }
    }

    mutating func add(_ tag: TraceTag, raw bytes: [UInt8]) {
        bytes.withUnsafeBytes { writer.add(tag, raw: $0) }
    }

    mutating func add(_ tag: TraceTag, _ build: (inout PayloadWriter) -> Void) { writer.add(tag, build) }

    mutating func cycle(_ number: UInt64 = 0) {
        writer.add(.cycle) { payload in
            payload.put(Self.cutoff + number * 10_000_000)
            payload.put(Self.wall + number * 10_000_000)
        }
    }

    // MARK: - The host

    mutating func scan(
        _ processes: [(pid: Int32, parent: Int32, executable: String)], at time: UInt64 = 1_000_000_000
    ) {
        writer.add(.snapshot) { payload in
            payload.put(UInt8(0))
            payload.put(time)
            payload.put(Self.wall - Self.cutoff + time)
        }
        for process in processes {
            let facts = ProcessFacts(
                pid: process.pid, parent: process.parent, start: UInt64(process.pid),
                executable: Array(process.executable.utf8))
            writer.add(.snapshotProcess) { $0.put(ProcessSnapshot(facts: facts, files: [])) }
        }
    }

    mutating func answer(directory: UInt8, _ path: String?) {
        writer.add(.directoryAnswer) { payload in
            payload.put(Self.identity(directory))
            payload.put(optional: path.map { Array($0.utf8) })
        }
    }

    mutating func answer(head path: String, _ head: ExecutableHead) {
        writer.add(.headAnswer) { payload in
            payload.put(path)
            payload.put(head)
        }
    }

    // MARK: - The kernel

    /// fsid and a handle of eight bytes.
    static func identity(_ number: UInt8) -> [UInt8] {
        [1, 2, 3, 4, 5, 6, 7, 8] + [8, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: number, count: 8)
    }

    /// An event of the fanotify group: metadata, then a record with the directory's identity and a name.
    static func fileEvent(_ mask: UInt64, _ pid: Int32, _ directory: UInt8, _ name: String) -> [UInt8] {
        var record = identity(directory) + Array(name.utf8) + [0]
        while record.count % 4 != 0 { record.append(0) }
        var payload = PayloadWriter()
        payload.put(UInt32(24 + 4 + record.count))
        payload.put(UInt8(3))
        payload.put(UInt8(0))
        payload.put(UInt16(24))
        payload.put(mask)
        payload.put(Int32(-1))
        payload.put(pid)
        payload.put(UInt8(2))
        payload.put(UInt8(0))
        payload.put(UInt16(4 + record.count))
        return payload.bytes + record
    }

    static let open: UInt64 = 0x20
    static let exec: UInt64 = 0x1020
    static let openAndWrite: UInt64 = 0x28

    /// A datagram of the proc connector.
    mutating func process(_ what: UInt32, _ first: Int32, _ second: Int32, at time: UInt64) {
        sequence += 1
        var payload = PayloadWriter()
        for word in [76, 3, sequence, 0, 1, 1, sequence, 0, 40, what, 0] as [UInt32] { payload.put(word) }
        payload.put(time)
        for word in [first, first, second, second, 0, 0] { payload.put(word) }
        add(.process, raw: payload.bytes)
    }

    mutating func fork(_ parent: Int32, _ child: Int32, at time: UInt64) {
        process(1, parent, child, at: time)
    }
    mutating func exec(_ pid: Int32, at time: UInt64) { process(2, pid, 0, at: time) }
    mutating func exit(_ pid: Int32, at time: UInt64) { process(0x8000_0000, pid, 0, at: time) }

    // MARK: - One that says something

    /// A shell starts a program; it reads one file and writes another.
    static var sample: Recording {
        var recording = Recording(layout: Connections.layout)
        recording.scan([(1, 0, "/sbin/init"), (100, 1, "/usr/bin/bash")])
        recording.cycle()
        recording.add(
            .fanotify,
            raw: fileEvent(exec, 200, 1, "cat") + fileEvent(exec, 200, 2, "ld.so")
                + fileEvent(open, 200, 3, "a.conf") + fileEvent(openAndWrite, 200, 4, "out"))
        recording.fork(100, 200, at: cutoff - 3000)
        recording.exec(200, at: cutoff - 2000)
        recording.exit(200, at: cutoff - 1000)
        recording.answer(directory: 1, "/usr/bin")
        recording.answer(directory: 2, "/usr/lib")
        recording.answer(directory: 3, "/etc")
        recording.answer(directory: 4, "/var/log")
        recording.answer(head: "/usr/bin/cat", .dynamic(loader: Array("/lib/ld.so".utf8)))
        recording.answer(head: "/usr/lib/ld.so", .plain)
        recording.add(.kindAnswer) { payload in
            payload.put("/etc/a.conf")
            payload.put(UInt8(1))
        }
        recording.add(.processAnswer) { payload in
            payload.put(Int32(200))
            payload.put(false)
        }
        recording.cycle(1)
        recording.add(.tracepoint, raw: Connections.records)
        recording.add(.closure, raw: Connections.closed)
        recording.cycle(2)
        recording.add(.descriptorEvent) { payload in
            payload.put(open)
            payload.put(Int32(100))
            payload.put("/boot/efi/x")
        }
        recording.add(.image) { payload in
            payload.put(Int32(100))
            payload.put(UInt64(7))
            payload.put("/usr/bin/bash")
            payload.put(optional: Array("/a.sh".utf8))
            payload.put(optional: nil)
        }
        recording.add(.loss) { payload in
            payload.put("fanotify")
            payload.put("queue overflow")
            payload.put(UInt64(1))
            payload.put(wall)
            payload.put(wall + 1)
            payload.put(wall + 2)
        }
        recording.lookAround()
        recording.add(.dump) { $0.put(wall + 60_000_000_000) }
        return recording
    }

    /// The same with what a daemon records of losses, modes and its own requests.
    static var withLosses: Recording {
        var recording = Recording(layout: Connections.layout)
        recording.add(.absence) { payload in
            payload.put(wall - 9_000_000_000)
            payload.put(wall - 8_000_000_000)
        }
        recording.add(.budget) { $0.put(UInt64(64 << 20)) }
        let first = ScanRequest(.full, .start, number: 1)
        recording.add(.scanRequest) { $0.put(first) }
        recording.cycle()
        let spot = BlindSpot(source: "fanotify", cause: "not watched: /mnt (nfs4)", since: wall)
        recording.add(.sources) { payload in
            payload.put(list: [
                DumpHeader.Source(name: "fanotify", mode: "fid", counters: [("filesystems", 2)])
            ]) {
                $0.put($1)
            }
            payload.put(list: ["it is as it is"]) { $0.put($1) }
            payload.put(list: [spot]) { $0.put($1) }
        }
        recording.scan([(1, 0, "/sbin/init"), (100, 1, "/usr/bin/bash")])
        recording.add(.snapshotFailure) { payload in
            payload.put("UDP sockets of IPv4")
            payload.put(Int32(1))
        }
        recording.cycle(1)
        recording.add(.fanotify, raw: fileEvent(open, 100, 3, "a.conf"))
        recording.add(.drainLoss) { payload in
            payload.put(Loss(source: "tracepoint", cause: "ring full", count: 7), ended: wall + 11_000_000)
        }
        recording.add(.drainLoss) { payload in
            payload.put(
                Loss(source: "fanotify", cause: "queue overflow", count: nil), ended: wall + 11_000_000)
        }
        recording.answer(directory: 3, "/etc")
        recording.add(.mounts) { _ in }
        recording.cycle(2)
        recording.scan([(1, 0, "/sbin/init"), (100, 1, "/usr/bin/bash")], at: cutoff + 21_000_000)
        recording.cycle(3)
        recording.add(.dump) { payload in
            payload.put(wall + 40_000_000)
            payload.put(wall + 50_000_000)
            payload.put([NetworkAddress(v4: 0x0a00_0001)])
        }
        return recording
    }

    /// A later scan, with a socket and a channel.
    private mutating func lookAround() {
        writer.add(.snapshot) { payload in
            payload.put(UInt8(1))
            payload.put(Self.cutoff + 30_000_000)
            payload.put(Self.wall + 30_000_000)
        }
        let facts = ProcessFacts(pid: 100, parent: 1, start: 100, executable: Array("/usr/bin/bash".utf8))
        let held = HeldFile(path: Array("/held".utf8), access: [.opened, .written], kind: .fifo)
        writer.add(.snapshotProcess) { $0.put(ProcessSnapshot(facts: facts, files: [held])) }
        let local = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 80)
        let none = Endpoint(NetworkAddress(v4: 0), port: 0)
        writer.add(.snapshotSocket) {
            $0.put(SocketSnapshot(.tcp, isListening: true, local: local, remote: none, holders: [100]))
        }
        writer.add(.snapshotChannel) {
            $0.put(ChannelSnapshot(.pipe, name: Array("pipe".utf8), holders: [100], peers: [1]))
        }
    }
}
