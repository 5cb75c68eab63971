import CLinux
import Glibc
public import Records
import SystemCalls
import Text

/// What is done in a move, in order; each with its inverse, which a rollback does in the other order.
public enum MoveStep: String, CaseIterable, Sendable {
    /// Source: files were brought while the programs run. Nothing to be undone: they are what the next round begins with.
    case precopy
    /// Destination, at the host itself: packages that it lacks are installed, before anybody is held. Inverse: those that were not there
    /// before are purged.
    case install
    /// Destination: new connections are held there as well. Inverse: the hold is lifted.
    case holdThere = "hold-there"
    /// Source: a way from the destination to what stays. Inverse: it is removed at both ends.
    case tunnel
    /// Source: new connections are held. Inverse: they are let in.
    case hold
    /// Hand-over, clients' hosts: a stand-in keeps what is sent to the server. Inverse: it ends, packets go to the server.
    case standIn = "stand-in"
    /// Hand-over, source: calls of others are refused. Inverse: they are let in.
    case refuse
    /// Hand-over, source: rpcbind forgets the server. Inverse: it is registered again.
    case deregister
    /// Source: the programs are stopped where they are, for a copy of one moment; of a server that is handed over the connections
    /// alone. Inverse: they go on.
    case freeze
    /// Source: the programs are asked to end. Inverse: they are started as they ran.
    case stop
    /// Source: the rest is brought.
    case finalCopy = "final-copy"
    /// Source: what the destination has not fetched yet is served (`--start-first`), beyond the end of the move. Inverse: it is not
    /// served any more.
    case fetch
    /// Destination, at the host itself: files are put at its root. Inverse: they are taken back.
    case place
    /// Destination: the programs are started. Inverse: they are ended.
    case start
    /// Destination: what was written is read again, and the check passes.
    case verify
    /// Source: it gives the service up. From here on it starts the programs again only when the destination has said that it
    /// did not and never will let clients in.
    case release
    /// Destination, at the host itself: units are started at boot, from the moment on at which clients are let in. Inverse, when the
    /// service goes on to another host: they are not.
    case enable
    /// Destination: clients are let in. There is no inverse: going back is a move of its own.
    case admit
    /// Hand-over, clients' hosts: the stand-in passes on what it has kept, and what comes.
    case announce
    /// Hand-over, source: the old server ends.
    case retire
    /// Source: connections that still come are passed on.
    case forward
    /// Source: the hosts of clients were asked to send them to the destination. Inverse: they are asked to do so no more.
    case reconnect
    /// Source: files are removed (`commit --remove`).
    case remove
    /// Spread, source: replicas are made. Inverse: they are ended and removed.
    case replicate
    /// Spread, source: connections are distributed. Inverse: new ones come to the source alone, as before.
    case balance
    /// Spread, source: it is undone, whatever of it was done; undone itself when nothing of it is left.
    case drain

    /// Whether it is one of a hand-over alone.
    public var isOfHandover: Bool { [.standIn, .refuse, .deregister, .announce, .retire].contains(self) }
    /// Whether it is one of a move to the host itself alone.
    public var isOfHost: Bool { [.install, .place, .enable].contains(self) }
    /// Whether it is one of a spread alone.
    public var isOfSpread: Bool { [.replicate, .balance, .drain].contains(self) }
    /// Where it is done.
    public var isAtDestination: Bool {
        [.install, .holdThere, .place, .start, .verify, .enable, .admit].contains(self)
    }
}

/// How far a step is.
public enum StepState: String, CaseIterable, Sendable {
    case begun, done, undone
}

/// What was done of a move: a line for each change, on the disk before anything is done and after it was.
///
/// A line that was cut off by a crash is none: what it would have said was not done yet, or is done again.
public final class Journal {
    /// A line.
    public struct Line: Equatable, Sendable {
        /// Nanoseconds since 1970.
        public var time: UInt64
        /// Of which step.
        public var step: MoveStep
        /// How far that is.
        public var state: StepState
        /// What the inverse needs.
        public var detail: JSONValue
    }

    /// Where it lies.
    public let path: String
    /// What it says, in order.
    public private(set) var lines: [Line] = []
    private let file: FileDescriptor
    /// Called when a line is on the disk, before anything else happens.
    public var onLine: (Line) -> Void = { _ in }

    /// Opens a journal, or begins one.
    public init(_ path: String) throws(MoveError) {
        self.path = path
        do throws(SystemError) {
            file = try FileDescriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
            let bytes = try file.readAll(limit: 64 << 20)
            var whole = 0
            for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .dropLast()
            {
                guard let line = Self.parse(Array(part)) else { break }
                lines.append(line)
                whole += part.count + 1
            }
            let number = file.number
            _ = try systemCall("ftruncate") { ftruncate(number, off_t(whole)) }
            _ = try systemCall("lseek") { lseek(number, 0, SEEK_END) }
        } catch { throw MoveError("\(path): \(error)") }
    }

    /// Writes a line; when this returns it is on the disk.
    public func write(_ step: MoveStep, _ state: StepState, _ detail: JSONValue = .null) throws(MoveError) {
        let begin = Timeline.begin()
        defer { Timeline.end(begin, "journal \(step.rawValue):\(state.rawValue)") }
        let line = Line(time: Clock.wall(), step: step, state: state, detail: detail)
        var out = JSONWriter()
        out.beginObject()
        out.member("time", time: line.time)
        out.member("step", text: step.rawValue)
        out.member("state", text: state.rawValue)
        if detail != .null {
            out.key("detail")
            out.value(detail)
        }
        out.endObject()
        let bytes = out.bytes + [UInt8(ascii: "\n")]
        let number = file.number
        do throws(SystemError) {
            var offset = 0
            while offset < bytes.count {
                offset += try systemCall("write") {
                    bytes.withUnsafeBytes {
                        Glibc.write(number, $0.baseAddress! + offset, bytes.count - offset)
                    }
                }
            }
            _ = try systemCall("fdatasync") { fdatasync(number) }
        } catch { throw MoveError("\(path): \(error)") }
        lines.append(line)
        onLine(line)
    }

    private static func parse(_ bytes: [UInt8]) -> Line? {
        guard let value = try? JSONValue(parsing: bytes),
            let step = value["step"]?.string.flatMap(MoveStep.init),
            let state = value["state"]?.string.flatMap(StepState.init),
            let time = value["time"]?.string.flatMap({ Timestamp.parse(Array($0.utf8)) })
        else { return nil }
        return Line(time: time, step: step, state: state, detail: value["detail"] ?? .null)
    }

    /// How far a step is; `nil` where it was not begun.
    public func state(_ step: MoveStep) -> StepState? { lines.last { $0.step == step }?.state }

    /// What the last line of a step holds that holds something.
    public func detail(_ step: MoveStep) -> JSONValue? {
        lines.last { $0.step == step && $0.detail != .null }?.detail
    }

    /// Whether a step was begun and not undone.
    public func stands(_ step: MoveStep) -> Bool {
        guard let state = state(step) else { return false }
        return state != .undone
    }
}
