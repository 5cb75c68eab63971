import CLinux
import Glibc
import Procfs
public import SystemCalls

/// A process all of whose threads are stopped by ptrace(2), so that a system call can be made in it; x86-64.
///
/// The process is not changed: it has the registers that it had, and a system call in which a thread was stopped is made again as after
/// any stop. Some calls that the kernel does not make again by itself would return EINTR after a stop (signal(7), "Interruption of
/// system calls and library functions by stop signals"): they are made again here, so that the program sees none.
public struct StoppedProcess: ~Copyable {
    private let pid: Int32
    private var threads: [Int32]

    /// Stops all threads of a process. One that is in a frozen control group stays frozen besides.
    public init(_ pid: Int32) throws(SystemError) {
        self.pid = pid
        threads = []
        // Threads that start others meanwhile: until a look at them finds none that is not stopped.
        while true {
            let found = Self.threads(of: pid).filter { !threads.contains($0) }
            if found.isEmpty { break }
            for thread in found {
                guard clinux_ptrace_seize(thread) == 0 else {
                    // It has ended since.
                    if errno == ESRCH, !threads.isEmpty { continue }
                    throw SystemError("ptrace")
                }
                threads.append(thread)
                guard clinux_ptrace_interrupt(thread) == 0 else { throw SystemError("ptrace") }
                try Self.waitForStop(thread)
            }
        }
        guard !threads.isEmpty else { throw SystemError("ptrace", code: ESRCH) }
    }

    deinit {
        for thread in threads { _ = clinux_ptrace_detach(thread, 0) }
    }

    private static func threads(of pid: Int32) -> [Int32] {
        guard let folder = opendir("/proc/\(pid)/task") else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name) { found.append(number) }
        }
        return found
    }

    /// - Returns: the signal of the stop.
    @discardableResult
    private static func waitForStop(_ thread: Int32) throws(SystemError) -> Int32 {
        var status: Int32 = 0
        // __WALL, for threads too.
        _ = try systemCall("waitpid") { waitpid(thread, &status, 0x4000_0000) }
        guard status & 0xff == 0x7f else { throw SystemError("ptrace", code: ESRCH) }
        return status >> 8 & 0xff
    }

    #if arch(x86_64)
        /// Has those threads make their calls again that would return EINTR because of a stop.
        ///
        /// A thread with a signal that it does not block is left as it is: that was what has interrupted it.
        public mutating func renewCalls() throws(SystemError) {
            for thread in threads {
                var registers = user_regs_struct()
                guard clinux_ptrace_registers(thread, &registers) == 0 else { throw SystemError("ptrace") }
                guard InterruptedCall.isRenewed(number: registers.orig_rax, result: registers.rax),
                    !isSignalled(thread)
                else { continue }
                registers.rax = registers.orig_rax
                registers.rip -= InterruptedCall.instructionBytes
                registers.orig_rax = .max
                guard clinux_ptrace_set_registers(thread, &registers) == 0 else {
                    throw SystemError("ptrace")
                }
            }
        }

        /// Makes one system call in the process, by its first thread.
        ///
        /// - Returns: what it returned, an error as a negative number.
        public mutating func call(_ number: Int, _ arguments: [UInt64]) throws(SystemError) -> Int {
            let thread = threads[0]
            var before = user_regs_struct()
            guard clinux_ptrace_registers(thread, &before) == 0 else { throw SystemError("ptrace") }
            var mask: UInt64 = 0
            guard clinux_ptrace_signal_mask(thread, &mask) == 0 else { throw SystemError("ptrace") }
            // Of a 32-bit program, whose calls have other numbers.
            guard before.cs == Self.codeSegment else { throw SystemError("ptrace", code: ENOEXEC) }
            before.rip = abortAddress(of: thread, at: before.rip) ?? before.rip
            var registers = before
            registers.rip = try instruction()
            registers.rax = UInt64(number)
            // Not a call that was interrupted: nothing is made again while this one is made.
            registers.orig_rax = .max
            let words = arguments + Array(repeating: 0, count: 6 - arguments.count)
            (registers.rdi, registers.rsi, registers.rdx) = (words[0], words[1], words[2])
            (registers.r10, registers.r8, registers.r9) = (words[3], words[4], words[5])
            // The program's own signals wait until it has its registers again.
            var all = UInt64.max
            guard clinux_ptrace_set_signal_mask(thread, &all) == 0 else { throw SystemError("ptrace") }
            defer {
                _ = clinux_ptrace_set_registers(thread, &before)
                _ = clinux_ptrace_set_signal_mask(thread, &mask)
            }
            guard clinux_ptrace_set_registers(thread, &registers) == 0 else { throw SystemError("ptrace") }
            // A stop of another kind (a group stop, or PTRACE_INTERRUPT's own) may come before the step's.
            for _ in 0..<16 {
                guard clinux_ptrace_step(thread) == 0 else { throw SystemError("ptrace") }
                let signal = try Self.waitForStop(thread)
                var now = user_regs_struct()
                guard clinux_ptrace_registers(thread, &now) == 0 else { throw SystemError("ptrace") }
                if signal == SIGTRAP, now.rip == registers.rip + InterruptedCall.instructionBytes {
                    return Int(Int64(bitPattern: now.rax))
                }
            }
            throw SystemError("ptrace", code: EBUSY)
        }
    #else
        /// Nothing: the registers of this architecture are not known here.
        public mutating func renewCalls() throws(SystemError) {}
        /// - Throws: that it is not there on this architecture.
        public mutating func call(_ number: Int, _ arguments: [UInt64]) throws(SystemError) -> Int {
            throw SystemError("ptrace", code: ENOSYS)
        }
    #endif

    /// Where a thread goes on that was stopped in a restartable sequence (rseq(2)): while the call is made the kernel does not see that
    /// it was in one, and would let it go on in the middle.
    private func abortAddress(of thread: Int32, at address: UInt64) -> UInt64? {
        let place = clinux_ptrace_rseq(thread)
        guard place != 0, let words = ProcessWords(pid) else { return nil }
        // struct rseq: two numbers of a processor, then where the sequence is described, as version and flags, start, length, abort.
        guard let pointer = words.at(place + 8, 1)?[0], pointer != 0, let sequence = words.at(pointer, 4),
            address >= sequence[1], address - sequence[1] < sequence[2]
        else { return nil }
        return sequence[3]
    }

    /// The segment of 64-bit code (`__USER_CS`).
    private static let codeSegment: UInt64 = 0x33

    #if arch(x86_64)
        private func stackPointer() throws(SystemError) -> UInt64 {
            var registers = user_regs_struct()
            guard clinux_ptrace_registers(threads[0], &registers) == 0 else { throw SystemError("ptrace") }
            return registers.rsp
        }
    #else
        private func stackPointer() throws(SystemError) -> UInt64 {
            throw SystemError("ptrace", code: ENOSYS)
        }
    #endif

    private func isSignalled(_ thread: Int32) -> Bool {
        guard let file = try? FileDescriptor.open("/proc/\(pid)/task/\(thread)/status", O_RDONLY),
            let bytes = try? file.readAll()
        else { return true }
        var masks: [String: UInt64] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: "\t")
            if words.count == 2 { masks[String(words[0])] = UInt64(words[1], radix: 16) }
        }
        guard let own = masks["SigPnd:"], let shared = masks["ShdPnd:"], let blocked = masks["SigBlk:"] else {
            return true
        }
        return (own | shared) & ~blocked != 0
    }

    /// The address of a `syscall` instruction in the vdso, which every process has.
    private func instruction() throws(SystemError) -> UInt64 {
        let areas = ProcessDirectory(pid)?.memoryAreas() ?? []
        guard let area = areas.first(where: { $0.path.elementsEqual("[vdso]".utf8) }) else {
            throw SystemError("vdso", code: ENOENT)
        }
        let memory = try FileDescriptor.open("/proc/\(pid)/mem", O_RDONLY)
        let number = memory.number
        var bytes = [UInt8](repeating: 0, count: area.range.count)
        let size = bytes.count
        let count = try systemCall("pread") { pread(number, &bytes, size, off_t(area.range.lowerBound)) }
        for index in 0..<max(0, count - 1) where bytes[index] == 0x0f && bytes[index + 1] == 0x05 {
            return area.range.lowerBound + UInt64(index)
        }
        throw SystemError("vdso", code: ENOENT)
    }

    /// Has the process end as by exit_group(2), with all of its threads.
    public consuming func exit(_ status: Int32) throws(SystemError) {
        #if arch(x86_64)
            let thread = threads[0]
            var registers = user_regs_struct()
            guard clinux_ptrace_registers(thread, &registers) == 0 else { throw SystemError("ptrace") }
            registers.rip = try instruction()
            (registers.rax, registers.rdi, registers.orig_rax) = (231, UInt64(status & 0xff), .max)
            var all = UInt64.max
            guard clinux_ptrace_set_signal_mask(thread, &all) == 0,
                clinux_ptrace_set_registers(thread, &registers) == 0,
                clinux_ptrace_detach(thread, 0) == 0
            else { throw SystemError("ptrace") }
            // Its parent learns of it when the other threads are gone, and those are when who traces them has taken note.
            let others = threads.dropFirst()
            threads = []
            for other in others {
                var status: Int32 = 0
                _ = try systemCall("waitpid") { waitpid(other, &status, 0x4000_0000) }
            }
        #else
            throw SystemError("ptrace", code: ENOSYS)
        #endif
    }

    /// Takes signals away that wait for the process (rt_sigtimedwait(2)), as if it had received them itself.
    ///
    /// - Parameter bits: a bit a signal, the lowest for signal 1.
    public mutating func takeSignals(_ bits: UInt64) throws(SystemError) {
        let memory = try FileDescriptor.open("/proc/\(pid)/mem", O_RDWR)
        let number = memory.number
        // A set of signals and a time of zero, below what the thread's stack has in use (the red zone of the psABI is 128 bytes).
        let address = try (stackPointer() - 512) & ~15
        guard let offset = off_t(exactly: address) else { throw SystemError("pwrite", code: EFAULT) }
        var before = [UInt64](repeating: 0, count: 3)
        _ = try systemCall("pread") { pread(number, &before, 24, offset) }
        let words = [bits, 0, 0]
        _ = try systemCall("pwrite") { pwrite(number, words, 24, offset) }
        // As many as there are: several of one kind wait as one, but for those of real time.
        var failure: SystemError?
        do throws(SystemError) {
            while try call(Int(SYS_rt_sigtimedwait), [address, 0, address + 8, 8]) > 0 {}
        } catch { failure = error }
        _ = try systemCall("pwrite") { pwrite(number, before, 24, offset) }
        if let failure { throw failure }
    }

    // MARK: The descriptor

    /// Has the process make a descriptor of its memory's faults, takes it, and closes the process's own.
    ///
    /// - Important: the kernel gives one that answers faults of system calls too, as a program's read(2) into its memory, to a process
    ///   with CAP_SYS_PTRACE alone, unless `vm.unprivileged_userfaultfd` is 1: ``UnprivilegedFaults`` sets it meanwhile.
    public mutating func openUserFault() throws(SystemError) -> UserFault {
        let flags = UInt64(O_CLOEXEC | O_NONBLOCK)
        let made = try call(Int(clinux_userfaultfd_number()), [flags])
        guard made >= 0 else { throw SystemError("userfaultfd", code: Int32(-made)) }
        let pid = pid
        let process = FileDescriptor(owning: try systemCall("pidfd_open") { clinux_pidfd_open(pid) })
        let number = process.number
        var failure: SystemError?
        var taken: Int32 = -1
        do throws(SystemError) {
            taken = try systemCall("pidfd_getfd") { clinux_pidfd_getfd(number, Int32(made)) }
        } catch { failure = error }
        let closed = try call(3, [UInt64(made)])
        if let failure { throw failure }
        let descriptor = FileDescriptor(owning: taken)
        guard closed == 0 else { throw SystemError("close", code: Int32(-closed)) }
        return try UserFault(descriptor)
    }
}

/// Calls that return EINTR after a stop though no signal was handled, and only where nothing was done yet; by their numbers on x86-64.
public enum InterruptedCall: UInt64, Sendable {
    case read = 0
    case write = 1
    case poll = 7
    case readv = 19
    case writev = 20
    case nanosleep = 35
    case accept = 43
    case sendto = 44
    case recvfrom = 45
    case sendmsg = 46
    case recvmsg = 47
    case semop = 65
    case rtSigtimedwait = 128
    case futex = 202
    case ioGetevents = 208
    case semtimedop = 220
    case clockNanosleep = 230
    case epollWait = 232
    case epollPwait = 281
    case accept4 = 288
    case recvmmsg = 299
    case ioPgetevents = 333
    case epollPwait2 = 441

    /// Bytes of the instruction that makes a call.
    static let instructionBytes: UInt64 = 2

    static func isRenewed(number: UInt64, result: UInt64) -> Bool {
        result == UInt64(bitPattern: Int64(-EINTR)) && InterruptedCall(rawValue: number) != nil
    }
}

/// Lets processes without privileges make descriptors for faults of system calls too, while it exists (`vm.unprivileged_userfaultfd`,
/// proc_sys_vm(5)). It is asked for only when one is made.
public struct UnprivilegedFaults: ~Copyable {
    private static let path = "/proc/sys/vm/unprivileged_userfaultfd"
    private let before: [UInt8]

    /// Sets it.
    public static func allow() throws(SystemError) -> UnprivilegedFaults {
        let before = try FileDescriptor.open(path, O_RDONLY).readAll()
        try set(Array("1\n".utf8))
        return UnprivilegedFaults(before: before)
    }

    private init(before: [UInt8]) { self.before = before }

    deinit { try? Self.set(before) }

    private static func set(_ bytes: [UInt8]) throws(SystemError) {
        let file = try FileDescriptor.open(path, O_WRONLY)
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            do throws(SystemError) { try file.writeAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
