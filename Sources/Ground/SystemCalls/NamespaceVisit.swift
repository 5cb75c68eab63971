import CLinux
import Glibc

/// A stay in another namespace.
public enum NamespaceVisit {
    /// Runs `body` in a namespace and waits for it.
    ///
    /// It runs on a thread of its own, which dies with it: were the calling thread to enter, and then
    /// fail to come back, all that it did later would be in the wrong namespace.
    /// The corresponding C function is `setns`.
    ///
    /// - Parameters:
    ///   - number: the descriptor of the namespace's file, such as /proc/PID/ns/net.
    ///   - type: what it has to be, such as `CLONE_NEWNET`.
    public static func run(
        in number: Int32, _ type: Int32, _ body: () -> Void
    ) throws(SystemError) {
        let failure = withoutActuallyEscaping(body) { body in
            var visit = Visit(number: number, type: type, body: body)
            return withUnsafeMutablePointer(to: &visit) { visit -> SystemError? in
                var thread = pthread_t()
                let code = pthread_create(&thread, nil, Visit.start, visit)
                if code != 0 { return SystemError("pthread_create", code: code) }
                pthread_join(thread, nil)
                return visit.pointee.failure
            }
        }
        if let failure { throw failure }
    }
}

/// What the visiting thread is given, and gives back.
private struct Visit {
    var number: Int32
    var type: Int32
    var body: () -> Void
    var failure: SystemError?

    static let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        let visit = argument!.assumingMemoryBound(to: Visit.self)
        if setns(visit.pointee.number, visit.pointee.type) == 0 {
            visit.pointee.body()
        } else {
            visit.pointee.failure = SystemError("setns")
        }
        return nil
    }
}
