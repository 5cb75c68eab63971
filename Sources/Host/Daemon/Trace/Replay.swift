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

    /// Appends a call, with its time (nanoseconds since 1970), as a line of text.
    public typealias CallWriter = (CallLog.Call, UInt64, inout [UInt8]) -> Void

    /// Reads a recording and writes the calls that it is made of to standard output; what is in none is counted on
    /// standard error.
    public static func printCalls(of path: String, _ writer: CallWriter) throws {
        do {
            var replay = try Replay(TraceReader(from: try RecordingFile(path).source))
            let end = try replay.runCalls(writer) { (bytes) throws(SystemError) in try writeOut(bytes) }
            if replay.ambiguousConnections > 0 {
                Message.print(
                    "connections that any of several programs may have taken, left out: \(replay.ambiguousConnections)"
                )
            }
            if let end { throw StartError("\(path): \(end); the calls are of what stands before it") }
        } catch let error as TraceError {
            throw StartError("\(path): \(error)")
        }
    }

    /// Connections that are in no call, since any of several programs may have taken them.
    private var ambiguousConnections: UInt64 { session.observer.calls?.ambiguous ?? 0 }

    /// Works off the whole recording, and hands over its calls a piece at a time.
    mutating func runCalls(
        _ writer: CallWriter, to sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) -> TraceError? {
        session.observer.keepCalls()
        var out: [UInt8] = []
        func flush(_ calls: [(call: CallLog.Call, time: UInt64)]) throws(SystemError) {
            for (call, time) in calls { writer(call, time, &out) }
            var failure: SystemError?
            out.withUnsafeBytes { bytes in
                do throws(SystemError) { try sink(bytes) } catch { failure = error }
            }
            out.removeAll(keepingCapacity: true)
            if let failure { throw failure }
        }
        while true {
            let end = step()
            try flush(session.observer.takeCalls())
            if let end { return end.failure }
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
        while true { if let end = step() { return end.failure } }
    }

    /// One cycle; at the end, what ended the recording early.
    private mutating func step() -> (failure: TraceError?, Void)? {
        let cycle = session.cycle()
        for order in session.engine.takeOrders() { obey(order) }
        guard cycle.isEnd, !session.isTakingIn else { return nil }
        // What was not watched was not watched up to here.
        session.updateBlindSpots(session.engine.header.time)
        session.observer.settleConnections()
        return (session.engine.failure, ())
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
            (bytes: UnsafeRawBufferPointer) throws(SystemError) in try Self.writeOut(bytes)
        }
    }

    private static func writeOut(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var offset = 0
        while offset < bytes.count {
            offset += try systemCall("write") {
                Glibc.write(STDOUT_FILENO, bytes.baseAddress! + offset, bytes.count - offset)
            }
        }
    }
}
