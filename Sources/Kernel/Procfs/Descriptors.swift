import CLinux
import Glibc
import SystemCalls

/// What /proc/PID/fdinfo/N says of any descriptor: the same for a file, a socket and a pipe.
public struct DescriptorInformation: Equatable, Sendable {
    /// Open flags, as for open(2).
    public var flags: Int32
    /// Identity of the mount, as the first field of mountinfo; 0 if it was not reported.
    public var mount: UInt64

    /// Reads lines `flags:` (octal) and `mnt_id:`; `nil` without flags.
    public init?(parsing bytes: [UInt8]) {
        var flags: Int32?
        var mount: UInt64 = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if flags == nil, line.starts(with: "flags:".utf8) {
                flags = Int32(Self.value(line.dropFirst(6)), radix: 8)
            } else if mount == 0, line.starts(with: "mnt_id:".utf8) {
                mount = UInt64(Self.value(line.dropFirst(7))) ?? 0
            }
        }
        guard let flags else { return nil }
        self.flags = flags
        self.mount = mount
    }

    private static func value(_ text: ArraySlice<UInt8>) -> String {
        String(decoding: text.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }
}

/// The memory in which folders of descriptors are read, to be used for one process after the other.
public final class DescriptorScratch {
    private let entries = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
    /// The kernel writes no longer target than a page.
    private let target = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)

    /// Allocates it.
    public init() {}

    deinit {
        entries.deallocate()
        target.deallocate()
    }

    /// Calls `body` with each entry of an open /proc/PID/fd whose link can be read.
    func walk(
        _ folder: borrowing FileDescriptor,
        _ body: (_ number: Int32, _ target: UnsafeRawBufferPointer) -> Void
    ) {
        while true {
            let count = clinux_getdents(folder.number, entries.baseAddress, entries.count)
            guard count > 0 else { return }
            var offset = 0
            while offset + Int(clinux_dirent_name_offset) < count {
                let length = Int(
                    entries.loadUnaligned(
                        fromByteOffset: offset + Int(clinux_dirent_length_offset), as: UInt16.self))
                guard length > Int(clinux_dirent_name_offset), length <= count - offset else { return }
                read(folder, offset + Int(clinux_dirent_name_offset), end: offset + length, body)
                offset += length
            }
            // The kernel goes on until there is no room for another name: with room left, that was all.
            if entries.count - count >= 1024 { return }
        }
    }

    private func read(
        _ folder: borrowing FileDescriptor, _ start: Int, end: Int,
        _ body: (_ number: Int32, _ target: UnsafeRawBufferPointer) -> Void
    ) {
        var number: Int32 = 0
        var position = start
        while position < end, entries[position] != 0 {
            let digit = Int32(entries[position]) - 48
            guard (0...9).contains(digit), number <= (Int32.max - 9) / 10 else { return }
            number = number * 10 + digit
            position += 1
        }
        guard position > start, position < end else { return }
        let name = (entries.baseAddress! + start).assumingMemoryBound(to: CChar.self)
        let room = target.baseAddress!.assumingMemoryBound(to: CChar.self)
        let count = readlinkat(folder.number, name, room, target.count)
        guard count > 0 else { return }
        body(number, UnsafeRawBufferPointer(rebasing: target[..<count]))
    }
}
