import Glibc
import PageFaults
import SystemCalls
import Transfer

/// Calls that block, and that the dump has interrupted: criu(8) has them return EINTR, which the program would not have seen.
///
/// In the images (`core-N.img`) of each thread that stands behind such a call it is made again: the program counter is put back by
/// the length of the instruction, as the kernel does for the calls that it restarts by itself (signal(7)). What is left of a sleep is
/// where the kernel has written it, if the program asked for that; a wait with a limit of another kind begins anew. x86-64 alone.
enum InterruptedCalls {
    // Of images/core.proto and images/core-x86.proto of CRIU.
    private enum Core {
        static let thread: UInt64 = 2
        static let process: UInt64 = 3
        static let common: UInt64 = 5
    }
    private enum Register {
        static let registers: UInt64 = 2
        static let r10: UInt64 = 8
        static let ax: UInt64 = 11
        static let dx: UInt64 = 13
        static let si: UInt64 = 14
        static let di: UInt64 = 15
        static let call: UInt64 = 16
        static let ip: UInt64 = 17
        static let mode: UInt64 = 28
    }

    /// The image of a thread in which its call is made again; `nil` where it stays as it is.
    static func again(_ image: [UInt8]) -> [UInt8]? {
        // Two magic numbers and the length of the message.
        guard image.count > 12 else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(image[8 + $1]) << (8 * $1) }
        guard length == image.count - 12, var core = ImageMessage(image[12...]),
            var thread = core.message(Core.thread), var now = thread.message(Register.registers),
            now[Register.mode] ?? 1 == 1, now[Register.ax] == UInt64(bitPattern: Int64(-EINTR)),
            let number = now[Register.call], let call = InterruptedCall(rawValue: number),
            let counter = now[Register.ip], counter > 2, !isCalled(core)
        else { return nil }
        now[Register.ax] = number
        now[Register.ip] = counter - 2
        switch call {
        case .nanosleep: if let left = now[Register.si], left != 0 { now[Register.di] = left }
        case .clockNanosleep:
            if now[Register.si] == 0, let left = now[Register.r10], left != 0 { now[Register.dx] = left }
        default: break
        }
        thread.replace(Register.registers, with: now)
        core.replace(Core.thread, with: thread)
        let bytes = core.bytes
        return image[..<8] + (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    }

    /// Whether a signal has come that is not blocked: then it was that which has interrupted the call.
    private static func isCalled(_ core: ImageMessage) -> Bool {
        let common = core.message(Core.common)
        let process = core.message(Core.process)
        let blocked = common?[6] ?? process?[5] ?? 0
        // signals_p of the thread, signals_s of the process; a siginfo_t begins with its number.
        let queues = [common?.message(9), process?.message(10)]
        return queues.compactMap { $0 }.flatMap { $0.messages(1) }.flatMap { $0.content(1) }.contains {
            signal in
            guard signal.count >= 4, let number = signal.first, (1...64).contains(number) else { return true }
            return blocked >> UInt64(number - 1) & 1 == 0
        }
    }

    /// Has the calls of all threads made again, in a folder of images.
    ///
    /// - Returns: how many.
    static func renew(in images: String) throws(MoveError) -> Int {
        var inside: RootFolder
        do throws(SystemError) { inside = try RootFolder(images) } catch {
            throw MoveError("\(images): \(error)")
        }
        var count = 0
        for path in inside.paths() {
            guard ImageFile.number(path, "core") != nil else { continue }
            let name = String(decoding: path, as: UTF8.self)
            do throws(SystemError) {
                guard let bytes = try FileDescriptor.open(images + name, O_RDONLY).bytes,
                    let changed = again(bytes)
                else { continue }
                try FileDescriptor.open(images + name, O_WRONLY | O_TRUNC | O_NOFOLLOW).writeAll(changed)
                count += 1
            } catch { throw MoveError("\(images)\(name): \(error)") }
        }
        return count
    }
}
