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

/// The name of a descriptor's link in /proc/PID/fd, which is its number, without an allocation.
struct DescriptorName {
    private var digits: (UInt64, UInt64) = (0, 0)

    init(_ number: Int32) {
        withUnsafeMutableBytes(of: &digits) { digits in
            var rest = number.magnitude
            var count = number < 0 ? 1 : 0
            if number < 0 { digits[0] = UInt8(ascii: "-") }
            var divisor: UInt32 = 1
            while rest / divisor > 9 { divisor *= 10 }
            while divisor > 0 {
                digits[count] = UInt8(ascii: "0") + UInt8(rest / divisor)
                rest %= divisor
                divisor /= 10
                count += 1
            }
        }
    }

    /// Lends it, NUL-terminated.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        withUnsafeBytes(of: digits) { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }
}

/// The open descriptors of a process, by /proc/PID/fd, held open: each look-up in it is shorter than one that begins at the
/// process.
public struct DescriptorFolder: ~Copyable {
    private let folder: FileDescriptor

    init(_ folder: consuming FileDescriptor) { self.folder = folder }

    /// Calls `body` with each descriptor and what its link says: a path, `socket:[INODE]`, `pipe:[INODE]`, …; the target is lent
    /// for the call.
    public borrowing func walk(
        _ scratch: DescriptorScratch, _ body: (_ number: Int32, _ target: UnsafeRawBufferPointer) -> Void
    ) {
        scratch.walk(folder, body)
    }

    /// What a descriptor was opened for: `O_RDONLY`, `O_WRONLY` or `O_RDWR`. `nil` if it is gone or was opened for neither
    /// (`O_PATH`).
    ///
    /// It is what the permissions of its link say (proc(5)), for which no file has to be opened as it has for
    /// `descriptorInformation`.
    public borrowing func accessMode(_ descriptor: Int32) -> Int32? {
        var status = stat()
        let folder = folder.number
        let result = DescriptorName(descriptor).withCString {
            fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW)
        }
        guard result == 0, status.st_mode & S_IFMT == S_IFLNK else { return nil }
        switch (status.st_mode & S_IRUSR != 0, status.st_mode & S_IWUSR != 0) {
        case (true, true): return O_RDWR
        case (true, false): return O_RDONLY
        case (false, true): return O_WRONLY
        case (false, false): return nil
        }
    }

    /// What a descriptor refers to, as far as this kernel knows; `nil` if it is gone. No server is asked.
    public borrowing func statistics(_ descriptor: Int32) -> FileStatus? {
        FileStatus(DescriptorName(descriptor), in: folder)
    }
}

extension ProcessDirectory {
    /// The folder of its open descriptors; `nil` if it is gone.
    public borrowing func descriptorFolder() -> DescriptorFolder? {
        let number = clinux_openat(directory.number, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        return number >= 0 ? DescriptorFolder(FileDescriptor(owning: number)) : nil
    }
}

/// The memory in which descriptors and mappings are read, to be used for one process after the other.
public final class DescriptorScratch {
    private let entries = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
    /// The kernel writes no longer target than a page.
    private let target = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)

    /// Grows with what is read.
    private var maps = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)

    /// Allocates it.
    public init() {}

    deinit {
        maps.deallocate()
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

    /// Reads an open /proc/PID/maps, at most so many bytes; they are valid until this is used again.
    func read(maps file: borrowing FileDescriptor, limit: Int) -> UnsafeRawBufferPointer {
        var count = 0
        while count < limit {
            if count == maps.count {
                let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: count * 2, alignment: 8)
                larger.copyMemory(from: UnsafeRawBufferPointer(maps))
                maps.deallocate()
                maps = larger
            }
            let (room, size) = (maps.baseAddress! + count, min(maps.count, limit) - count)
            let number = file.number
            guard let more = try? systemCall("read", { Glibc.read(number, room, size) }), more > 0 else {
                break
            }
            count += more
            if MapsLine.isLast(UnsafeRawBufferPointer(rebasing: maps[..<count])) { break }
        }
        return UnsafeRawBufferPointer(rebasing: maps[..<count])
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
