import CLinux
import Glibc
import SystemCalls
import Transfer

/// criu's images as bytes of a context file, in and out.
enum ContextImages {
    private static let piece = 1 << 20

    /// Which images a folder has, as the header lists them, but for their digests, which are known when all is read.
    static func found(in folder: String) throws(MoveError) -> [ContextHeader.Image] {
        var inside: RootFolder
        do throws(SystemError) { inside = try RootFolder(folder) } catch {
            throw MoveError("\(folder): \(error)")
        }
        var images: [ContextHeader.Image] = []
        for path in inside.paths().sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let name = String(decoding: path.dropFirst(), as: UTF8.self)
            guard name.hasSuffix(".img") else { continue }
            guard ContextHeader.isName(name) else {
                throw MoveError("criu has written an image of another kind: \(name)")
            }
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0 else {
                throw MoveError("\(folder)/\(name): \(SystemError.text(of: errno))")
            }
            images.append(
                .init(
                    name: name, bytes: UInt64(status.st_size),
                    digest: [UInt8](repeating: 0, count: StreamDigest.size)))
        }
        return images
    }

    /// Copies so many bytes from where a file is read to where another one is written.
    ///
    /// - Returns: their digest.
    static func copy(
        _ count: UInt64, from source: borrowing FileDescriptor, to target: borrowing FileDescriptor
    ) throws(SystemError) -> [UInt8] {
        let digest = StreamDigest()
        var left = count
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
        defer { buffer.deallocate() }
        while left > 0 {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(left, UInt64(piece)))])
            guard let got = try source.read(into: room), got > 0 else { throw SystemError("read", code: EIO) }
            let bytes = UnsafeRawBufferPointer(rebasing: room[..<got])
            digest.add(bytes)
            try target.writeAll(bytes)
            left -= UInt64(got)
        }
        return digest.finish()
    }

    /// Writes the whole of a context file, and closes it, since what is open for writing cannot be executed: the images first, since the
    /// header has their digests.
    static func write(_ header: ContextHeader, from folder: String, to target: consuming FileDescriptor)
        throws(MoveError) -> ContextHeader
    {
        var header = header
        header.images = try found(in: folder)
        // Digests have one length, and so has the header.
        let begin = header.bytes().count
        let number = target.number
        do throws(SystemError) {
            _ = try systemCall("lseek") { lseek(number, begin, SEEK_SET) }
            for index in header.images.indices {
                let image = header.images[index]
                let source = try FileDescriptor.open("\(folder)/\(image.name)", O_RDONLY | O_NOFOLLOW)
                header.images[index].digest = try copy(image.bytes, from: source, to: target)
            }
            _ = try systemCall("lseek") { lseek(number, 0, SEEK_SET) }
            try target.writeAll(header.bytes())
            _ = try systemCall("fchmod") { fchmod(number, 0o700) }
            _ = try systemCall("fsync") { fsync(number) }
        } catch { throw MoveError("the images cannot be written: \(error)") }
        return header
    }

    /// Lays the images out, each as it was when it was saved.
    static func extract(
        _ places: [ContextHeader.Place], from source: borrowing FileDescriptor, to folder: String
    ) throws(MoveError) {
        let number = source.number
        for place in places {
            do throws(SystemError) {
                _ = try systemCall("lseek") { lseek(number, off_t(place.offset), SEEK_SET) }
                let target = try FileDescriptor.open(
                    "\(folder)/\(place.image.name)", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
                guard try copy(place.image.bytes, from: source, to: target) == place.image.digest else {
                    throw SystemError("checksum", code: EBADMSG)
                }
            } catch {
                guard error.code != EBADMSG else {
                    throw MoveError("it was changed: the checksum of \(place.image.name) is another one")
                }
                throw MoveError("\(place.image.name): \(error)")
            }
        }
    }
}
