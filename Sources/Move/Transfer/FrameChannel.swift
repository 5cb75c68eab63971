/// What kind of payload a frame has.
public enum FrameKind: UInt8, Sendable, CaseIterable {
    /// A question and its answer, as JSON.
    case request = 1
    case reply = 2
    /// Why the connection ends, as text.
    case failure = 3
    /// Entries that are offered, and what the receiver needs of them.
    case entries = 10
    case needs = 11
    /// Blocks of a file, and the end of it.
    case blocks = 12
    case fileEnd = 13
    /// The end of a batch of entries, and that it was taken in.
    case batchEnd = 14
    case batchDone = 15
    /// Paths that are no more.
    case remove = 16
    /// The end of a round, and what came of it.
    case roundEnd = 17
    case roundDone = 18
    /// Units of a file that are fetched when it is touched, from the destination to the source, and what they are.
    case unitsWanted = 20
    case units = 21
    /// Pages of stopped processes, from the destination to the source, and what they have.
    case pagesWanted = 22
    case pages = 23
    /// A message of a page of shared memory that processes of several hosts use.
    case sharedPage = 24
}

/// A message between two agents.
public struct Frame: Sendable {
    /// What its payload is.
    public var kind: FrameKind
    /// The payload.
    public var payload: [UInt8]

    /// The largest payload, in bytes.
    public static let mostBytes = 16 << 20

    /// Makes one.
    public init(_ kind: FrameKind, _ payload: [UInt8]) {
        self.kind = kind
        self.payload = payload
    }
}

/// A connection that carries frames in order, one way at a time.
public protocol FrameChannel: AnyObject {
    /// Sends a frame; it may wait in a buffer until `flush` or `receive`.
    func send(_ frame: Frame) throws(TransferError)
    /// Sends what waits.
    func flush() throws(TransferError)
    /// The next frame.
    func receive() throws(TransferError) -> Frame
}

extension FrameChannel {
    /// The next frame, which has to be of a kind.
    public func receive(_ kind: FrameKind) throws(TransferError) -> PacketReader {
        let frame = try receive()
        if frame.kind == .failure { throw .refused(String(decoding: frame.payload, as: UTF8.self)) }
        guard frame.kind == kind else { throw .malformed("\(frame.kind) in place of \(kind)") }
        return PacketReader(frame.payload)
    }
}
