import Foundation
import SystemCalls
import Testing

@Suite struct WaitingTests {
    @Test func pollerTellsTokensOfWhatIsReady() throws {
        let poller = try Poller()
        let first = Pipe()
        let second = Pipe()
        try poller.add(first.output.number, token: 0xffff_ffff_0000_0017)
        try poller.add(second.output.number, token: 23)
        #expect(tokens(poller) == [])
        try second.put([1])
        #expect(tokens(poller) == [23])
        // Level-triggered: it is reported until it was read.
        #expect(tokens(poller) == [23])
        try first.put([1])
        #expect(tokens(poller) == [23, 0xffff_ffff_0000_0017])
        _ = try second.get()
        #expect(tokens(poller) == [0xffff_ffff_0000_0017])
        try poller.remove(first.output.number)
        #expect(tokens(poller) == [])
    }

    private func tokens(_ poller: borrowing Poller, timeout: Int32 = 0) -> Set<UInt64> {
        var found: Set<UInt64> = []
        let count = try? poller.wait(timeout: timeout) { found.insert($0) }
        #expect(count == found.count)
        return found
    }

    @Test func pollerReportsNoMoreThanItsCapacity() throws {
        let poller = try Poller(capacity: 1)
        let first = Pipe()
        let second = Pipe()
        try first.put([1])
        try second.put([1])
        try poller.add(first.output.number, token: 1)
        try poller.add(second.output.number, token: 2)
        // One at a time, and none is forgotten over the other.
        var met: Set<UInt64> = []
        for _ in 0..<4 { met.formUnion(tokens(poller)) }
        #expect(met == [1, 2])
    }

    @Test func pollerRefusesWhatCannotBeAdded() throws {
        let poller = try Poller()
        let pipe = Pipe()
        try poller.add(pipe.output.number, token: 1)
        let number = pipe.output.number
        #expect(code { () throws(SystemError) in try poller.add(number, token: 1) } == EEXIST)
        try poller.remove(number)
        #expect(code { () throws(SystemError) in try poller.remove(number) } == ENOENT)
        let file = try FileDescriptor.open("/proc/self/stat", O_RDONLY)
        let regular = file.number
        #expect(code { () throws(SystemError) in try poller.add(regular, token: 1) } == EPERM)
    }

    private func code(_ call: () throws(SystemError) -> Void) -> Int32? {
        do throws(SystemError) {
            try call()
            return nil
        } catch { return error.code }
    }

    /// The mount table is the one file of procfs that can be polled, for an exceptional condition.
    @Test func pollerWaitsForExceptionalConditions() throws {
        let poller = try Poller()
        let table = try FileDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        try poller.add(table.number, .exceptional, token: 5)
        try poller.remove(table.number)
    }

    @Test func pollerWaitsForItsTimeout() throws {
        let poller = try Poller()
        let before = Clock.monotonic()
        #expect(tokens(poller, timeout: 23) == [])
        #expect(Clock.monotonic() - before >= 22_000_000)
    }

    /// The instance has no number to ask for: it is known by a token that nobody else has.
    @Test func pollerClosesOnExecAndWhenItIsLetGo() throws {
        let token: UInt64 = 0x5eed_0000_0000_0000 | UInt64.random(in: 1...0xffff_ffff)
        do {
            let poller = try Poller()
            let pipe = Pipe()
            try poller.add(pipe.output.number, token: token)
            let flags = flagsOfInstances(withToken: token)
            #expect(flags.count == 1)
            #expect(flags.allSatisfy { $0 & O_CLOEXEC != 0 })
            _ = try poller.wait(timeout: 0) { _ in }
        }
        #expect(flagsOfInstances(withToken: token).isEmpty)
    }

    private func flagsOfInstances(withToken token: UInt64) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fdinfo")) ?? []
        return names.compactMap { name in
            guard let text = try? String(contentsOfFile: "/proc/self/fdinfo/\(name)", encoding: .utf8),
                text.contains("data: \(String(token, radix: 16)) "),
                let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags:") })
            else { return nil }
            return line.split(separator: "\t").last.flatMap { Int32($0, radix: 8) }
        }
    }

    @Test func timerExpiresOnce() throws {
        let timer = try TimerDescriptor()
        let isClosedOnExec = closesOnExec(timer.number)
        #expect(isClosedOnExec)
        let poller = try Poller()
        try poller.add(timer.number, token: 1)
        #expect(tokens(poller) == [])
        let before = Clock.monotonic()
        try timer.arm(nanoseconds: 23_000_000)
        #expect(tokens(poller, timeout: 10_000) == [1])
        #expect(Clock.monotonic() - before >= 23_000_000)
        #expect(tokens(poller) == [1])
        try timer.acknowledge()
        #expect(tokens(poller) == [])
        // Nothing has expired: that is no error.
        try timer.acknowledge()
        #expect(tokens(poller, timeout: 40) == [])
    }

    @Test func timerCanBeDisarmedAndSetAnew() throws {
        let timer = try TimerDescriptor()
        let poller = try Poller()
        try poller.add(timer.number, token: 1)
        try timer.arm(nanoseconds: 1)
        #expect(tokens(poller, timeout: 10_000) == [1])
        // Arming takes a past expiry back.
        try timer.arm(nanoseconds: 3_600_000_000_000)
        #expect(tokens(poller) == [])
        try timer.arm(nanoseconds: 20_000_000)
        try timer.arm(nanoseconds: 0)
        #expect(tokens(poller, timeout: 40) == [])
        // Any number is a time.
        try timer.arm(nanoseconds: .max)
        try timer.arm(nanoseconds: 1_999_999_999)
    }

    @Test func signalsAreReadInsteadOfInterrupting() throws {
        // The mask is the thread's, and this thread goes on to other tests.
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        let signals = try SignalDescriptor([SIGUSR1, SIGWINCH])
        let isClosedOnExec = closesOnExec(signals.number)
        #expect(isClosedOnExec)
        #expect(try signals.next() == nil)
        var blocked = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &blocked)
        #expect((1...31).filter { sigismember(&blocked, $0) == 1 } == [SIGUSR1, SIGWINCH])
        let poller = try Poller()
        try poller.add(signals.number, token: 1)
        // To this thread: otherwise any thread of the process could be chosen.
        pthread_kill(pthread_self(), SIGUSR1)
        #expect(tokens(poller) == [1])
        #expect(try signals.next() == SIGUSR1)
        #expect(try signals.next() == nil)
        pthread_kill(pthread_self(), SIGWINCH)
        pthread_kill(pthread_self(), SIGUSR1)
        #expect(Set([try signals.next(), try signals.next()]) == [SIGUSR1, SIGWINCH])
        #expect(try signals.next() == nil)
    }

    @Test func clocksAgreeWithTheSystems() throws {
        let monotonic = Clock.monotonic()
        #expect(Clock.monotonic() >= monotonic)
        // CLOCK_BOOTTIME also counts what the host slept.
        #expect(Clock.sinceBoot() >= monotonic)
        let uptime = try String(contentsOfFile: "/proc/uptime", encoding: .utf8)
        let seconds = try #require(uptime.split(separator: " ").first.flatMap { Double($0) })
        #expect(abs(Double(Clock.sinceBoot()) / 1e9 - seconds) < 5)
        #expect(abs(Double(Clock.wall()) / 1e9 - Date().timeIntervalSince1970) < 5)
    }
}

/// How often a wait was interrupted, and what ends it; for a signal handler, which can hold nothing else.
private nonisolated(unsafe) var interruptions: Int32 = 0
private nonisolated(unsafe) var ending: Int32 = -1

@Suite struct InterruptedWaitTests {
    /// A signal that has a handler makes `epoll_wait` fail with EINTR, whatever the handler's flags: the wait goes on.
    @Test func signalsDoNotEndIt() async {
        await #expect(processExitsWith: .success) {
            let poller = try Poller()
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { exit(3) }
            ending = ends[1]
            try poller.add(ends[0], token: 23)
            signal(SIGALRM) { _ in
                interruptions += 1
                if interruptions == 23 { _ = write(ending, "x", 1) }
            }
            // The threads of the runner have signals blocked.
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGALRM)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            let waiting = pthread_self()
            try DetachedThread.start {
                while true {
                    pthread_kill(waiting, SIGALRM)
                    usleep(1000)
                }
            }
            // They reach this thread.
            guard poll(nil, 0, 60_000) == -1, errno == EINTR else { exit(4) }
            var tokens: [UInt64] = []
            try poller.wait { tokens.append($0) }
            exit(tokens == [23] ? 0 : 1)
        }
    }
}
