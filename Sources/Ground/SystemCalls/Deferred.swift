import Glibc
import Synchronization

/// What a thread of its own works out while its owner does something else.
public final class Deferred<Value: Sendable>: Sendable {
    private let found = Mutex<Value?>(nil)
    private let isDone: EventDescriptor

    /// Starts the thread. Fails with EAGAIN or EMFILE where there can be none.
    public init(_ work: @escaping @Sendable () -> Value) throws(SystemError) {
        isDone = try EventDescriptor()
        try DetachedThread.start { [self] in
            let value = work()
            found.withLock { $0 = value }
            isDone.raise()
        }
    }

    /// The value; waits for it.
    public func wait() -> Value {
        // It is never acknowledged, so that whoever asks later does not wait.
        var waiting = pollfd(fd: isDone.number, events: Int16(POLLIN), revents: 0)
        while true {
            if let value = found.withLock({ $0 }) { return value }
            _ = poll(&waiting, 1, -1)
        }
    }
}
