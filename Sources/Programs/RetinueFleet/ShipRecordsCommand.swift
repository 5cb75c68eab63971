import RetinueCommands
import ArgumentParser
import Control
import FleetStore
import Glibc
import PostgreSQL
import RecordStore
import Records
import SystemCalls

/// Why nothing was sent, other than by the server.
struct ShipFailure: Error {
    let message: String
}

struct ShipRecordsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue ship", abstract: "Send this host's changed records to a fleet's store.",
        usage: "retinue ship --to <postgresql://...> [<file> ...] [<options>]",
        discussion: """
            Asks the daemon every --interval seconds for what has changed and sends that, in one transaction; for all its \
            records, and what runs with which processes, at first, every --whole-interval seconds, and whenever the \
            server may lack more. What the server does not take stays with the daemon, and goes with the next. Of files, which are dumps or stores, \
            each is sent once. Needs membership in the group retinue, and no other privilege.

            Exit status: 0 all was sent (--once, files); 1 something was not.
            """)

    @Argument(help: "Dumps and stores to be sent in place of the daemon's records.", completion: .file())
    var files: [String] = []

    @OptionGroup var store: StoreOptions

    @Option(
        help: ArgumentHelp("Ask the daemon that listens on this socket.", valueName: "path"),
        completion: .file())
    var socket: String?

    @Option(help: ArgumentHelp("Seconds from one sending to the next.", valueName: "seconds"))
    var interval = 30.0

    @Option(
        name: .customLong("whole-interval"),
        help: ArgumentHelp(
            "Seconds after which the daemon is asked for all of its records again; only these say what programs run with.",
            valueName: "seconds"))
    var wholeInterval = 600.0

    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "Remember there what was sent last; $STATE_DIRECTORY otherwise.", valueName: "dir"),
        completion: .directory)
    var stateFolder: String?

    @Flag(help: "Send once, and end.")
    var once = false

    @Flag(
        name: .customLong("take-over"),
        help: "Go on where another sender of this host's records was; only with --once or files.")
    var takeOver = false

    func validate() throws {
        guard interval >= 1, interval <= 86_400 else {
            throw ValidationError("--interval is a number of seconds from 1 to 86400")
        }
        guard wholeInterval >= 0, wholeInterval <= 86_400 else {
            throw ValidationError("--whole-interval is a number of seconds from 0 to 86400")
        }
        guard !takeOver || once || !files.isEmpty else {
            throw ValidationError("--take-over is for --once and files")
        }
    }

    func run() throws {
        let states = SenderStates(
            folder: stateFolder ?? getenv("STATE_DIRECTORY").map { String(cString: $0) }
                ?? "/var/lib/retinue-ship")
        var servers = StoreConnections(store)
        guard files.isEmpty else {
            for file in files { _ = try send(try ShippedDump.of(file: file), over: &servers, states) }
            return
        }
        guard once else { try repeatedly(states) }
        if store.locations.count == 1 { _ = try servers.connection(host: "") }
        _ = try send(try ShippedDump.of(socket: socket), over: &servers, states)
    }

    /// Sends until it is ended, which may be at any time: the server has a dump whole or not at all.
    private func repeatedly(_ states: SenderStates) throws -> Never {
        var servers = StoreConnections(store)
        // Which of several servers has this host's rows, its first dump says.
        var host = store.locations.count == 1 ? "" : nil
        var said = ""
        var pause = 1.0
        // What the server has, as far as is known here, and when a whole dump is due.
        var change: UInt32?
        var due: UInt64 = 0
        while true {
            do {
                // The daemon is asked for no dump that has nowhere to go.
                if let host { _ = try servers.connection(host: host) }
                let begun = Clock.monotonic()
                let part =
                    begun < due ? try change.flatMap { try sendChanges(after: $0, &servers, states) } : nil
                if let part {
                    change = part
                } else {
                    let shipped = try ShippedDump.of(socket: socket)
                    change = shipped.change
                    host = try send(shipped, over: &servers, states)
                    due = begun + UInt64(wholeInterval * 1e9)
                }
                if !said.isEmpty { say("retinue ship: sends again") }
                (said, pause) = ("", interval)
            } catch {
                servers = StoreConnections(store)
                change = nil
                let sentence = (error as? ShipFailure)?.message ?? "\(error)"
                if sentence != said { say("retinue ship: \(sentence); nothing is lost, it is tried again") }
                said = sentence
                pause = min(pause * 2, max(interval, 60))
            }
            usleep(UInt32(pause * 1e6))
        }
    }

    /// Sends what the daemon has with a greater change number.
    ///
    /// - Returns: up to which number the server has everything now; `nil` where that takes a whole dump.
    private func sendChanges(
        after number: UInt32, _ servers: inout StoreConnections, _ states: SenderStates
    ) throws -> UInt32? {
        let shipped: ShippedDump
        // A daemon that does not know the request, or is another one by now, may have a dump.
        do { shipped = try ShippedDump.of(socket: socket, after: number) } catch is ShipFailure { return nil }
        let change = shipped.change
        do { _ = try send(shipped, over: &servers, states) } catch ShipmentError.needsWhole { return nil }
        return change
    }

    /// - Returns: whose dump it was.
    private func send(
        _ shipped: consuming ShippedDump, over servers: inout StoreConnections, _ states: SenderStates
    ) throws -> String {
        let host = shipped.dump.header.hostID
        let connection = try servers.connection(host: host)
        let sender = try states.begin(host: host)
        let outcome = try Shipment(connection, sender, takesOver: takeOver).send(
            shipped.dump, tombstones: shipped.tombstones, partialAfter: shipped.partialAfter,
            now: Clock.wall())
        try states.end(host: host, sender)
        let removed = outcome.removed == 0 ? "" : ", \(outcome.removed) removed"
        if once || !files.isEmpty {
            print("\(host): \(outcome.records) records sent\(outcome.isWhole ? " (all)" : "")\(removed)")
        }
        // A minute is more than what any two clocks that are kept differ by.
        if abs(outcome.ahead) > 60 {
            say(
                "retinue ship: this host's clock is \(Int(abs(outcome.ahead))) s "
                    + (outcome.ahead > 0 ? "ahead of" : "behind") + " that of the fleet's store")
        }
        if let future = outcome.future {
            say(
                "retinue ship: a record of \(host) is of \(Timestamp.text(future)), later than its dump: "
                    + "the host's clock was set back")
        }
        return host
    }
}

/// The connections to the servers of a store, made when they are needed and kept.
private struct StoreConnections {
    private let store: StoreOptions
    private var made: [Int: PostgreSQLConnection] = [:]

    init(_ store: StoreOptions) { self.store = store }

    /// That to the server of a host, whose tables have this program's version.
    mutating func connection(host: String) throws(PostgreSQLError) -> PostgreSQLConnection {
        let number = store.shards.number(ofHost: host)
        if let known = made[number] { return known }
        let connection = try store.connect(host: host)
        try FleetSchema(connection).check()
        made[number] = connection
        return connection
    }
}

/// A dump to be sent.
struct ShippedDump: ~Copyable {
    let dump: DumpContents
    /// The lines of its tombstones.
    let tombstones: [[UInt8]]
    /// Of one that has only what changed, after which change number.
    private(set) var partialAfter: UInt32?

    /// Up to which change number it has everything; `nil` if its writer keeps none.
    var change: UInt32? { dump.header.changes.map { UInt32(clamping: $0.current) } }

    private init(dump: consuming DumpContents, tombstones: [[UInt8]]) {
        self.dump = dump
        self.tombstones = tombstones
    }

    /// Asks the daemon.
    ///
    /// - Parameter number: only for what changed after it.
    static func of(socket: String?, after number: UInt32? = nil) throws -> ShippedDump {
        let request = number.map { ControlRequest.changes(after: $0, looks: true) } ?? .dump
        var last: ControlError?
        for path in socket.map({ [$0] }) ?? [
            ControlPath.runtime, ControlPath.inside(stateFolder: ControlPath.stateFolder),
        ] {
            let reply: ControlReply
            do throws(ControlError) {
                reply = try ControlClient.request(path, request, timeoutMilliseconds: 60_000)
            } catch {
                last = error
                continue
            }
            var shipped: ShippedDump
            switch consume reply {
            case .dump(let file): shipped = try reading(file, "the daemon's dump")
            case .changes(let lines):
                shipped = try parsing("the daemon's changes") { take in
                    try lines.withUnsafeBytes { try take($0) }
                }
            default: preconditionFailure("a client gives what was asked for")
            }
            shipped.partialAfter = number
            return shipped
        }
        throw ShipFailure(message: last?.description ?? "no daemon")
    }

    /// Reads a dump or a store.
    static func of(file path: String) throws -> ShippedDump {
        let magic: [UInt8]
        do throws(SystemError) {
            magic = try FileDescriptor.open(path, O_RDONLY).readOnce(limit: 16)
        } catch { throw ShipFailure(message: "\(path): \(error)") }
        if magic.starts(with: "SQLite format 3".utf8) {
            do {
                return ShippedDump(dump: try RecordStore.read(path), tombstones: [])
            } catch { throw ShipFailure(message: "\(path): \(error)") }
        }
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open(path, O_RDONLY)
        } catch { throw ShipFailure(message: "\(path): \(error)") }
        return try reading(file, path)
    }

    private static func reading(_ file: borrowing FileDescriptor, _ name: String) throws -> ShippedDump {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { piece.deallocate() }
        return try parsing(name) { take in
            while let count = try file.read(into: piece), count > 0 {
                try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            }
        }
    }

    /// - Parameter feed: hands over the text, in pieces that may end anywhere.
    private static func parsing(
        _ name: String, _ feed: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> ShippedDump {
        var reader = DumpReader()
        var tombstones = TombstoneLines()
        do {
            try feed { bytes in
                try reader.feed(bytes)
                tombstones.feed(bytes)
            }
            return ShippedDump(dump: try reader.finish(), tombstones: tombstones.finish())
        } catch { throw ShipFailure(message: "\(name): \(error)") }
    }
}

/// Remembers, for each host, as whom its records are sent and which batch went last.
struct SenderStates {
    let folder: String

    /// The sender of a host's next batch; on disk before anything is sent, so that after a fault it knows its own batch again.
    func begin(host: String) throws(ShipFailure) -> Sender {
        var sender = try read(host) ?? Sender(id: Self.random(), batch: "", pending: "")
        // An answer that was lost: the one that was on its way may have arrived.
        if sender.batch != sender.pending, !sender.pending.isEmpty {
            sender.batch += (sender.batch.isEmpty ? "" : " ") + sender.pending
        }
        // The first is the one that was answered last; of the others any may have arrived.
        let tried = sender.batch.split(separator: " ")
        sender.batch = (tried.prefix(1) + tried.dropFirst().suffix(63)).joined(separator: " ")
        sender.pending = Self.random()
        try write(sender, host)
        return sender
    }

    /// The batch arrived.
    func end(host: String, _ sender: Sender) throws(ShipFailure) {
        try write(Sender(id: sender.id, batch: sender.pending, pending: sender.pending), host)
    }

    private static func random() -> String {
        String(UInt64.random(in: 0...UInt64.max), radix: 16)
            + String(UInt64.random(in: 0...UInt64.max), radix: 16)
    }

    private func path(_ host: String) -> String {
        folder + "/"
            + host.utf8.map { byte in
                byte < 128 && Character(Unicode.Scalar(byte)).isLetter
                    || Character(Unicode.Scalar(byte)).isNumber
                    ? String(Unicode.Scalar(byte)) : "_" + String(byte, radix: 16)
            }.joined() + ".sender"
    }

    private func read(_ host: String) throws(ShipFailure) -> Sender? {
        do throws(SystemError) {
            let bytes = try FileDescriptor.open(path(host), O_RDONLY).readAll(limit: 1 << 16)
            let lines = String(decoding: bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false
            ).map { String($0) }
            // A file that a full disk cut short was never renamed; anything else is somebody's own work.
            guard lines.count == 4, !lines[0].isEmpty else {
                throw SystemError("read", code: EINVAL)
            }
            return Sender(id: lines[0], batch: lines[1], pending: lines[2])
        } catch {
            if error.code == ENOENT { return nil }
            throw ShipFailure(message: "\(path(host)): \(error)")
        }
    }

    private func write(_ sender: Sender, _ host: String) throws(ShipFailure) {
        let (path, aside) = (path(host), path(host) + ".new")
        let text = Array("\(sender.id)\n\(sender.batch)\n\(sender.pending)\n".utf8)
        do throws(SystemError) {
            _ = mkdir(folder, 0o700)
            let file = try FileDescriptor.open(aside, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            var failure: SystemError?
            text.withUnsafeBytes { bytes in
                do throws(SystemError) { try file.writeAll(bytes) } catch { failure = error }
            }
            if let failure { throw failure }
            let number = file.number
            _ = try systemCall("fsync") { fsync(number) }
            _ = try systemCall("rename") { rename(aside, path) }
        } catch {
            throw ShipFailure(message: "the state cannot be kept in \(folder): \(error)")
        }
    }
}
