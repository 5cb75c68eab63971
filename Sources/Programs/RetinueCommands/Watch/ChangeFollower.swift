import CLinux
import Control
import Glibc
import Records
import SystemCalls

/// What one question for changes brought.
final class ChangeAnswer: @unchecked Sendable {
    /// What happened to the following itself; whoever asks again and again reports it.
    enum Note: Equatable {
        /// The daemon does not answer, and why; whether it is the first time since it did.
        case away(reason: String, isFirst: Bool)
        /// It answers again.
        case back
        /// Something may have been missed, and why; nanoseconds since 1970.
        case missed(cause: String, from: UInt64, to: UInt64)
    }

    var notes: [Note] = []
    /// Nothing can be followed at all.
    var failure: (any Error)?
    /// Whether the records that were known before are not these: everything begins anew.
    var isAnew = false
    /// What was answered; `nil` if nothing was.
    var dump: DumpContents?
    /// The lines of what is gone.
    var tombstones: [[UInt8]] = []
    /// Gaps of the records that are new or others than before.
    var gaps: [Gap] = []

    /// An answer with nothing in it.
    init() {}

    /// What a daemon has answered.
    init(_ dump: consuming DumpContents, tombstones: [[UInt8]] = []) {
        self.dump = consume dump
        self.tombstones = tombstones
    }

    /// Lends the answer, if there is one, with the positions of the records that changed up to the number in its header. One that
    /// changed while they were written comes with the next answer, which asks from that number on.
    func withChanges<Result>(
        _ body: (borrowing DumpContents, _ positions: [Int]) throws -> Result
    ) rethrows -> Result? {
        switch dump {
        case .none: return nil
        case .some(let dump):
            let current = dump.header.changes?.current ?? .max
            let positions = dump.ledger.records.indices.filter {
                UInt64(dump.ledger.records[$0].change) <= current
            }
            return try body(dump, positions)
        }
    }
}

/// Asks a daemon again and again for what has changed, and goes on where it was when the daemon comes back: nothing comes twice, and
/// what may be missing is said.
struct ChangeFollower {
    /// Where it begins.
    enum Start: Equatable {
        /// With what changes from now on.
        case now
        /// Behind a change number; 0 for everything.
        case after(UInt32)
    }

    private let daemon: DaemonOptions
    private let start: Start
    private(set) var cursor: ChangeCursor?
    private var gaps = KnownGaps()
    private var isAway = false

    init(_ daemon: DaemonOptions, from start: Start) {
        self.daemon = daemon
        self.start = start
    }

    /// Asks once; waits for the answer as long as the options allow.
    ///
    /// - Parameter looks: whether the daemon scans before.
    mutating func poll(looks: Bool) -> ChangeAnswer {
        let answer = ChangeAnswer()
        do {
            try ask(looks: looks, answer)
            if isAway { answer.notes.insert(.back, at: 0) }
            isAway = false
        } catch {
            guard cursor != nil, let failure = error as? Failure else {
                answer.failure = error
                return answer
            }
            answer.dump = nil
            answer.notes.append(.away(reason: failure.message, isFirst: !isAway))
            isAway = true
        }
        return answer
    }

    private mutating func ask(looks: Bool, _ answer: ChangeAnswer) throws {
        var after: UInt32
        switch (cursor, start) {
        case (let cursor?, _): after = cursor.number
        case (nil, .after(let number)): after = number
        case (nil, .now): after = .max
        }
        // A daemon that is started anew between the questions has another answer to each; one that goes on doing so is away.
        for _ in 0..<4 {
            let found = try request(after: after, looks: looks)
            guard let next = ChangeCursor(found.dump.header) else {
                throw Failure(
                    "the retinued that answers keeps no change numbers: it is older than this retinue")
            }
            let changes = found.dump.header.changes
            let verdict = cursor?.verdict(on: next, runAfter: changes?.runAfter, asked: after) ?? .take
            switch verdict {
            case .ask(let number): after = number
            case .begin: after = 0
            case .take:
                note(next, tombstonesAfter: changes?.tombstonesAfter ?? 0, asked: after, answer)
                let first = cursor == nil
                cursor = next
                let news = gaps.news(found.dump.ledger.gaps)
                // Who begins with what comes does not ask for what was.
                answer.gaps = first && start == .now ? [] : news
                answer.tombstones = found.tombstones
                answer.dump = found.takeDump()
                return
            }
        }
        throw Failure("retinued is started again and again")
    }

    private func note(
        _ next: ChangeCursor, tombstonesAfter: UInt64, asked: UInt32, _ answer: ChangeAnswer
    ) {
        guard let cursor else { return }
        if asked == 0, cursor.number != 0 {
            answer.isAnew = true
            answer.notes.append(
                .missed(
                    cause: "retinued has other records than before: what changed in between is not known",
                    from: cursor.time, to: next.time))
        } else if tombstonesAfter > UInt64(asked) {
            answer.notes.append(
                .missed(
                    cause: "more records are gone than tombstones are kept: some have no line",
                    from: cursor.time, to: next.time))
        }
    }

    /// An answer that was read.
    private struct Found: ~Copyable {
        let dump: DumpContents
        let tombstones: [[UInt8]]

        consuming func takeDump() -> DumpContents { dump }
    }

    private func request(after number: UInt32, looks: Bool) throws -> Found {
        var reader = DumpReader()
        var tombstones = TombstoneLines()
        do {
            switch try daemon.ask(.changes(after: number, looks: looks)) {
            case .changes(let lines):
                try reader.feed(lines)
                lines.withUnsafeBytes { tombstones.feed($0) }
            case .dump(let descriptor):
                let file = InputFile(descriptor, name: "the daemon's answer")
                if let size = file.size { reader.expect(bytes: size) }
                try file.forEachPiece { piece in
                    try reader.feed(piece)
                    tombstones.feed(piece)
                }
            default: preconditionFailure("a client gives what was asked for")
            }
            let lines = tombstones.finish()
            return Found(dump: try reader.finish(), tombstones: lines)
        } catch let error as DumpError {
            throw Failure("the daemon's answer cannot be read: \(error)")
        }
    }
}

/// Asks on a thread of its own, so that whoever waits for the answer is free for keys and signals meanwhile.
final class FollowingThread: Sendable {
    private let worker: BackgroundWorker<Bool, ChangeAnswer>

    /// Begins with nothing asked. Signals must be blocked before.
    init(_ daemon: DaemonOptions, from start: ChangeFollower.Start) throws(SystemError) {
        let follower = Owned(ChangeFollower(daemon, from: start))
        worker = try BackgroundWorker { looks in follower.value.poll(looks: looks) }
    }

    /// Used by the thread alone.
    private final class Owned: @unchecked Sendable {
        var value: ChangeFollower
        init(_ value: ChangeFollower) { self.value = value }
    }

    /// The number to poll.
    var number: Int32 { worker.number }

    func ask(looks: Bool) { worker.submit(looks) }
    func take() -> [ChangeAnswer] { worker.take() }
}

/// When to ask next, and whether the daemon shall scan before.
struct AskingPace {
    /// Nanoseconds from one question to the next, and between two scans.
    let interval: UInt64
    let scanInterval: UInt64
    private var nextScan: UInt64 = 0
    /// `CLOCK_MONOTONIC`, nanoseconds.
    private(set) var due: UInt64 = 0

    /// - Parameters:
    ///   - scanInterval: seconds; 0 for never.
    init(interval: Double, scanInterval: Double) {
        self.interval = UInt64(interval * 1e9)
        self.scanInterval = UInt64(scanInterval * 1e9)
    }

    /// Whether the question that is due now shall be preceded by a scan.
    mutating func begin(now: UInt64) -> Bool {
        guard scanInterval > 0, now >= nextScan else { return false }
        nextScan = now + scanInterval
        return true
    }

    /// The answer came.
    mutating func end(now: UInt64) { due = now + interval }

    /// Milliseconds until the next question, for poll(2).
    func left(now: UInt64) -> Int32 { now < due ? Int32(clamping: (due - now + 999_999) / 1_000_000) : 0 }
}

/// Several things to wait for at once. The corresponding C function is `poll`.
enum Readiness {
    /// Waits until one of the descriptors can be read or, where nothing is to be read from it, has lost its other end.
    ///
    /// - Returns: those for which that holds; none when the time is over, or a signal came.
    static func wait(reading: [Int32], ends: [Int32] = [], milliseconds: Int32) -> [Int32] {
        var entries = reading.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        entries += ends.map { pollfd(fd: $0, events: 0, revents: 0) }
        guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return [] }
        return entries.filter { $0.revents != 0 }.map(\.fd)
    }
}
