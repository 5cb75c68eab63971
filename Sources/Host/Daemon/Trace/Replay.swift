import EventTrace
import Glibc
import Observation
import Records
import SystemCalls

/// Works off a recorded stream as the daemon did, and prints the dump that follows from it.
///
/// Needs no privileges: the kernel's bytes and the answers of the surroundings are in the recording. What is done about
/// losses is the same `Session`'s that the daemon has.
public struct Replay: ~Copyable {
    private var session: Session<RecordedEngine>

    /// Reads a recording and writes its dump to standard output.
    public static func printDump(of path: String) throws {
        do {
            var replay = try Replay(TraceReader(from: try RecordingFile(path).source))
            let end = replay.run()
            try replay.write()
            if let end { throw StartError("\(path): \(end); the dump is of what stands before it") }
        } catch let error as TraceError {
            throw StartError("\(path): \(error)")
        }
    }

    /// Starts with the first frame of a recording that is in memory.
    public init(_ bytes: [UInt8]) throws(TraceError) { try self.init(TraceReader(bytes)) }

    /// Starts with a recording's first frame.
    public init(_ recording: TraceReader) throws(TraceError) {
        let engine = try RecordedEngine(recording)
        let started = engine.header.started
        let observer = Observer(
            ledger: Ledger(), surroundings: engine.answers, ownPid: engine.ownPid, scope: engine.scope)
        session = Session(engine, observer, begun: started)
    }

    /// What was learnt.
    public var ledger: Ledger { _read { yield session.observer.ledger } }

    /// The first line of the dump.
    public var header: DumpHeader {
        var header = session.engine.header
        header.sources = session.sources
        return header
    }

    /// Works off the whole recording, or as much of it as is sound; returns what ended it early.
    public mutating func run() -> TraceError? {
        while true {
            let cycle = session.cycle()
            for order in session.engine.takeOrders() { obey(order) }
            guard cycle.isEnd, !session.isTakingIn else { continue }
            // What was not watched was not watched up to here.
            session.updateBlindSpots(session.engine.header.time)
            session.observer.settleConnections()
            return session.engine.failure
        }
    }

    private mutating func obey(_ order: RecordedEngine.Order) {
        switch order {
        case .scan(let request): session.scan(request)
        case .absence(let from, let to): session.noteAbsence(from: from, to: to)
        case .mountsChanged: session.observer.mountsChanged()
        case .budget(let bytes): session.observer.budget = bytes
        case .dump(let written):
            session.updateBlindSpots(written)
            session.settleConnections(before: session.engine.header.time)
        }
    }

    private borrowing func write() throws(SystemError) {
        try session.observer.ledger.writeNDJSON(header: header) {
            (bytes: UnsafeRawBufferPointer) throws(SystemError) in
            var offset = 0
            while offset < bytes.count {
                offset += try systemCall("write") {
                    Glibc.write(STDOUT_FILENO, bytes.baseAddress! + offset, bytes.count - offset)
                }
            }
        }
    }
}
