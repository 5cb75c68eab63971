import CLinux
import Glibc
import SystemCalls

/// What the kernel put on the stack of a new image, beside the strings: where the arguments stood, and the path by which
/// it was executed.
///
/// A process may write over its arguments, to be called something else in ps(1) (setproctitle, `$0`); these it has no
/// reason to touch. Read from /proc/PID/mem: of the memory nothing else is looked at. See proc(5), getauxval(3).
public struct InitialStack: Equatable, Sendable {
    /// Address of the first argument, and the distance of each from it.
    var base: UInt64
    var offsets: [UInt64]
    /// Where the kernel says that the arguments begin (`arg_start`).
    var start: UInt64

    /// Whether the bytes of `cmdline` are the arguments that the image was executed with.
    ///
    /// - Parameter isWhole: whether these are all its bytes.
    public func holds(_ bytes: [UInt8], isWhole: Bool = true) -> Bool {
        guard base == start, offsets.first == 0, !bytes.isEmpty else { return false }
        var ends = 0
        for (index, byte) in bytes.enumerated() where byte == 0 {
            ends += 1
            // Each argument but the last ends where the next one begins.
            if ends < offsets.count { if offsets[ends] != UInt64(index) + 1 { return false } }
        }
        return isWhole ? ends == offsets.count && bytes.last == 0 : ends <= offsets.count
    }
}

extension ProcessDirectory {
    /// More arguments than this are not looked at.
    private static let mostArguments = 1 << 14

    /// The stack as the kernel made it; `nil` if it may not be read (`PTRACE_MODE_ATTACH`), or is none of 64 bits.
    public borrowing func initialStack() -> InitialStack? {
        guard let line = contents("stat", limit: 4096), let close = line.lastIndex(of: UInt8(ascii: ")"))
        else {
            return nil
        }
        let fields = line[(close + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // startstack is the 26th behind the name, arg_start the 46th.
        func field(_ number: Int) -> UInt64? {
            number <= fields.count ? UInt64(String(decoding: fields[number - 1], as: UTF8.self)) : nil
        }
        guard let stack = field(26), stack != 0, let start = field(46), start != 0,
            let memory = try? directory.openRelative("mem", O_RDONLY),
            let count = Self.words(memory, at: stack, 1)?.first, count > 0,
            count < UInt64(Self.mostArguments),
            let arguments = Self.words(memory, at: stack + 8, Int(count)), let base = arguments.first
        else { return nil }
        return InitialStack(base: base, offsets: arguments.map { $0 &- base }, start: start)
    }

    /// The path by which the image was executed (`AT_EXECFN`), as it was given; of a `#!` file it is that file's, not
    /// the interpreter's. `nil` if it may not be read.
    public borrowing func executedName() -> [UInt8]? {
        guard let vector = contents("auxv", limit: 4096),
            let memory = try? directory.openRelative("mem", O_RDONLY)
        else { return nil }
        let address = vector.withUnsafeBytes { bytes -> UInt64? in
            for offset in stride(from: 0, to: bytes.count - 15, by: 16)
            where bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == UInt64(AT_EXECFN) {
                return bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
            }
            return nil
        }
        // At the very top of the stack: less than a path's length may follow.
        guard let address, let bytes = Self.bytes(memory, at: address, 4096),
            let end = bytes.firstIndex(of: 0),
            end > 0
        else { return nil }
        return Array(bytes[..<end])
    }

    private static func words(_ memory: borrowing FileDescriptor, at address: UInt64, _ count: Int)
        -> [UInt64]?
    {
        guard let bytes = bytes(memory, at: address, count * 8), bytes.count == count * 8 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
        }
    }

    private static func bytes(_ memory: borrowing FileDescriptor, at address: UInt64, _ count: Int)
        -> [UInt8]?
    {
        let number = memory.number
        guard let offset = off_t(exactly: address) else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = max(0, pread(number, buffer.baseAddress, count, offset))
        }
        return bytes.isEmpty ? nil : bytes
    }
}
