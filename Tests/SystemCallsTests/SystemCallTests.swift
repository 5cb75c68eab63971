import Foundation
import Synchronization
import SystemCalls
import Testing

/// How often the handler below ran.
private let interruptions = Atomic<Int>(0)

@Suite struct SystemCallTests {
    @Test func interruptionIsTriedAgain() throws {
        var calls = 0
        let result: Int32 = try systemCall("read") {
            calls += 1
            errno = EINTR
            return calls < 23 ? -1 : 7
        }
        #expect(result == 7)
        #expect(calls == 23)
    }

    @Test(arguments: [EAGAIN, ENOENT, EPERM, ENOSPC])
    func otherFailuresAreNotTriedAgain(code: Int32) {
        var calls = 0
        #expect(throws: SystemError("mkdir", code: code)) {
            try systemCall("mkdir") { () -> Int32 in
                calls += 1
                errno = code
                return -1
            }
        }
        #expect(calls == 1)
    }

    @Test func blockedIsAnAnswer() throws {
        func call(_ code: Int32) throws(SystemError) -> Int? {
            try systemCallUnlessBlocked("read") { () -> Int in
                errno = code
                return code == 0 ? 23 : -1
            }
        }
        #expect(try call(EAGAIN) == nil)
        #expect(try call(0) == 23)
        #expect(throws: SystemError("read", code: EIO)) { try call(EIO) }
    }

    /// A real signal, whose handler does not ask for calls to be restarted.
    @Test func signalsDoNotEndARead() throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in interruptions.add(1, ordering: .relaxed) }
        var before = sigaction()
        sigaction(SIGUSR2, &action, &before)
        defer { sigaction(SIGUSR2, &before, nil) }

        let pipe = Pipe(blocking: true)
        let output = dup(pipe.output.number)
        let reader = ReadingThread(output)
        reader.start()
        var rounds = 0
        while interruptions.load(ordering: .relaxed) < 23, rounds < 10_000 {
            reader.interrupt()
            usleep(1000)
            rounds += 1
        }
        try pipe.put([5])
        reader.wait()
        #expect(interruptions.load(ordering: .relaxed) >= 23)
        #expect(reader.result == .success([5]))
    }

    /// A file server may answer an open or a read with any number that it likes: none ends this program.
    @Test(arguments: [EBADF, EFAULT, EIO, 4095]) func everyErrorIsThrown(code: Int32) {
        #expect(throws: SystemError("open", code: code)) {
            try systemCall("open") { () -> Int32 in
                errno = code
                return -1
            }
        }
    }

    @Test func errorsReadAsSentences() {
        #expect("\(SystemError("fanotify_init", code: EPERM))" == "fanotify_init: Operation not permitted")
        #expect(SystemError.text(of: ENOENT) == "No such file or directory")
        #expect(SystemError("open", code: 2) == SystemError("open", code: 2))
        #expect(SystemError("open", code: 2) != SystemError("read", code: 2))
        #expect(SystemError("open", code: 2) != SystemError("open", code: 3))
        errno = EXDEV
        #expect(SystemError("rename").code == EXDEV)
    }
}

/// A thread that reads once, and can be sent signals while it does.
private final class ReadingThread: @unchecked Sendable {
    private let number: Int32
    private var thread: pthread_t = 0
    private(set) var result: Result<[UInt8], SystemError>?

    init(_ number: Int32) { self.number = number }

    func start() {
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<ReadingThread>.fromOpaque(context!).takeRetainedValue().read()
                return nil
            }, context)
    }

    private func read() {
        // The threads that run tests block every signal, and this one has inherited that.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        let descriptor = FileDescriptor(owning: number)
        do throws(SystemError) {
            var byte: UInt8 = 0
            let count = try withUnsafeMutableBytes(of: &byte) { bytes throws(SystemError) in
                try descriptor.read(into: bytes)
            }
            result = .success(count == 1 ? [byte] : [])
        } catch { result = .failure(error) }
    }

    func interrupt() { pthread_kill(thread, SIGUSR2) }
    func wait() { pthread_join(thread, nil) }
}
