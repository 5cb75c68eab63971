import CLinux
import Glibc
import Records
import SystemCalls
import Text
import Transfer
import Transport

/// A host that others have processes run at: takes one order after the other.
final class AcrossJoin: @unchecked Sendable {
    private let listener: AcrossListener
    private var host: AcrossHost?
    private var restored: pid_t = -1
    private let identity: TLSIdentity

    private init(_ identity: TLSIdentity, _ listener: AcrossListener) {
        (self.identity, self.listener) = (identity, listener)
    }

    static func run(_ options: AcrossOptions) throws(MoveError) -> Int32 {
        let identity = try options.identity()
        let orders = Orders()
        let listener = AcrossListener(try options.socket(), identity, accepted: options.accepted) {
            channel, _ in orders.add(channel)
        }
        try listener.start()
        Diagnostics.say("ready")
        while true {
            // ptrace(2) is of a thread: all that is ordered is done by this one.
            let channel = orders.next()
            let join = AcrossJoin(identity, listener)
            do {
                try join.serve(channel)
            } catch {
                Diagnostics.say("\(error)")
                // What was begun is the processes', which wait for pages that do not come, until somebody ends them.
                if join.isOn { join.outlast() } else { join.end() }
            }
            channel.close()
            orders.isDone()
            if options.isOnce { return 0 }
        }
    }

    /// Until the processes have ended, when nobody says any longer what is to be done.
    private func outlast() {
        while let host, host.count > 0 {
            sleep(1)
            host.writeFigures()
        }
        end()
    }

    private var isOn = false

    private func serve(_ channel: StreamChannel) throws {
        try reply(channel, [.init("name", .string(identity.name))])
        while true {
            let frame = try channel.receive()
            guard frame.kind == .request, let request = try? JSONValue(parsing: frame.payload) else {
                throw TransferError.malformed("\(frame.kind) in place of a request")
            }
            do throws(MoveError) {
                switch request["verb"]?.string {
                case "across-take": try take(request, channel)
                case "across-arm":
                    let host = try needed()
                    try host.service.connect(as: identity)
                    try host.arm()
                case "across-go":
                    let host = try needed()
                    isOn = true
                    try host.go()
                case "across-status":
                    try reply(channel, try status(request))
                    continue
                case "across-end":
                    end()
                    try reply(channel, [])
                    return
                default: throw MoveError("no such request")
                }
            } catch {
                try reply(channel, [.init("error", .string(error.description))])
                throw error
            }
            try reply(channel, [])
        }
    }

    private func needed() throws(MoveError) -> AcrossHost {
        guard let host else { throw MoveError("nothing was taken in") }
        return host
    }

    private func reply(_ channel: StreamChannel, _ members: [JSONValue.Member]) throws(MoveError) {
        do throws(TransferError) {
            try channel.send(Frame(.reply, AgentLink.bytes(.object(members))))
            try channel.flush()
        } catch { throw MoveError(error) }
    }

    /// Restores a tree, of which nothing runs.
    private func take(_ request: JSONValue, _ channel: StreamChannel) throws(MoveError) {
        guard host == nil, let value = request["order"], let order = AcrossOrder(value),
            let index = request["host"]?.integer.flatMap({ Int(exactly: $0) }),
            order.hosts.indices.dropFirst().contains(index), order.hosts[index].name == identity.name,
            let bytes = request["bytes"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { throw MoveError("no order for this host") }
        let folder = try ContextFolder(in: "/var/tmp", "retinue-across-")
        defer { folder.remove() }
        let file = folder.path + "/context"
        try receive(bytes, channel, to: file)
        let standing = try AcrossGroup.make("\(order.name)-stands", beside: getpid(), isFrozen: true)
        let running = try AcrossGroup.make("\(order.name)-runs", beside: getpid(), isFrozen: false)
        do throws(MoveError) { try restore(file, standing) } catch {
            standing.end()
            running.end()
            throw error
        }
        var pids: [Int32: Int32] = [:]
        for pid in standing.members { pids[NamespaceNumber.of(pid)] = pid }
        let host = try AcrossHost(order, index: index, standing: standing, running: running, pids: pids)
        self.host = host
        listener.serve(host)
    }

    private func receive(_ bytes: UInt64, _ channel: StreamChannel, to path: String) throws(MoveError) {
        do {
            let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            var left = bytes
            while left > 0 {
                let frame = try channel.receive()
                guard frame.kind == .blocks, !frame.payload.isEmpty, frame.payload.count <= left else {
                    throw TransferError.malformed("\(frame.kind) in place of a file")
                }
                try file.writeAll(frame.payload)
                left -= UInt64(frame.payload.count)
            }
        } catch { throw MoveError("\(path): \(error)") }
    }

    private func restore(_ file: String, _ standing: AcrossGroup) throws(MoveError) {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw MoveError("pipe2: \(SystemError.text(of: errno))") }
        let output = FileDescriptor(owning: ends[0])
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        var launch = Launch(["/proc/self/exe", "context-restore", file, standing.folder])
        (launch.input, launch.output) = (null, ends[1])
        do throws(MoveError) { restored = try launch.start() } catch {
            close(ends[1])
            throw error
        }
        close(ends[1])
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        // What it says where it cannot comes by the same pipe.
        while !String(decoding: text, as: UTF8.self).hasSuffix("restored\n") {
            let count = read(output.number, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw MoveError(
                    "it was not restored: \(Printable.text(text.dropLast(text.last == 10 ? 1 : 0)))")
            }
            text += buffer[..<count]
        }
        guard standing.stands(seconds: 10) else { throw MoveError("what was restored does not stand") }
    }

    private func status(_ request: JSONValue) throws(MoveError) -> [JSONValue.Member] {
        let host = try needed()
        for (pid, status) in AcrossSource.pairs(request["ended"]) { host.replay(pid, status) }
        for (pid, signal) in AcrossSource.pairs(request["signals"]) where (1...64).contains(signal) {
            host.signal(pid, signal)
        }
        host.service.sweep()
        host.writeFigures()
        let signals = host.signals().map {
            JSONValue.array([.integer(Int128($0.pid)), .integer(Int128($0.signal))])
        }
        return [
            .init("signals", .array(signals)),
            .init("running", .integer(Int128(host.count))),
            .init(
                "ended",
                .array(
                    host.ended().map { .array([.integer(Int128($0.pid)), .integer(Int128($0.status))]) })),
            .init("figures", host.service.figures),
        ]
    }

    private func end() {
        host?.end()
        listener.serve(nil)
        if restored > 0 {
            kill(restored, SIGKILL)
            while waitpid(restored, nil, 0) < 0, errno == EINTR {}
        }
    }

    /// Orders that have come.
    private final class Orders: @unchecked Sendable {
        private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private var waiting: [StreamChannel] = []
        private var isTaken = false
        init() { pthread_mutex_init(lock, nil) }
        /// Takes one in, unless there is another: whoever asks gets that answer at once.
        func add(_ channel: StreamChannel) {
            pthread_mutex_lock(lock)
            let isFree = !isTaken
            if isFree { waiting.append(channel) }
            isTaken = true
            pthread_mutex_unlock(lock)
            if isFree { return }
            try? channel.send(Frame(.failure, Array("processes of another tree run here".utf8)))
            try? channel.flush()
            channel.close()
        }
        func isDone() {
            pthread_mutex_lock(lock)
            isTaken = false
            pthread_mutex_unlock(lock)
        }
        func next() -> StreamChannel {
            while true {
                pthread_mutex_lock(lock)
                let channel = waiting.isEmpty ? nil : waiting.removeFirst()
                pthread_mutex_unlock(lock)
                if let channel { return channel }
                usleep(10_000)
            }
        }
    }
}
