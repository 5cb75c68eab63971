import Glibc
import Synchronization

/// How far a transfer is; read by other threads.
public final class TransferProgress: Sendable {
    /// The figures.
    public struct Figures: Equatable, Sendable {
        /// Entries that were looked at.
        public var entries: UInt64 = 0
        /// Files of which something was sent.
        public var files: UInt64 = 0
        /// Bytes of the files that were compared or sent.
        public var compared: UInt64 = 0
        /// Bytes of content that were sent over the connection.
        public var sent: UInt64 = 0
        /// Bytes that the destination had already.
        public var present: UInt64 = 0
        /// Bytes of the files that are to be looked at in this round.
        public var expected: UInt64 = 0
    }

    private let figures = Mutex(Figures())
    /// Bytes a second that may be sent; 0 for as many as possible.
    private let limit = Mutex(UInt64(0))
    private let isCancelled = Mutex(false)
    private let rests = Mutex(false)
    private let urgency = Mutex(false)

    /// Nothing was done yet.
    public init() {}

    /// The figures now.
    public var now: Figures { figures.withLock { $0 } }

    /// Bytes a second; 0 for no limit. Takes effect with the next piece.
    public var bytesPerSecond: UInt64 {
        get { limit.withLock { $0 } }
        set { limit.withLock { $0 = newValue } }
    }

    /// Ends the transfer before its next piece.
    public var cancelled: Bool {
        get { isCancelled.withLock { $0 } }
        set { isCancelled.withLock { $0 = newValue } }
    }

    /// Whether it rests before its next piece, until that is no more so; not while it `isUrgent`.
    public var isPaused: Bool {
        get { rests.withLock { $0 } }
        set { rests.withLock { $0 = newValue } }
    }

    /// Whether somebody waits for it: programs that were stopped, and their clients.
    public var isUrgent: Bool {
        get { urgency.withLock { $0 } }
        set { urgency.withLock { $0 = newValue } }
    }

    /// Waits as long as it rests.
    ///
    /// - Throws: that it was cancelled.
    package func waitForTurn() throws(TransferError) {
        while isPaused, !isUrgent, !cancelled { usleep(20_000) }
        guard !cancelled else { throw .cancelled }
    }

    package func change(_ body: (inout Figures) -> Void) { figures.withLock { body(&$0) } }
}
