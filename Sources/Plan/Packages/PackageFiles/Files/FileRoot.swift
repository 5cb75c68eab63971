import Glibc
package import SystemCalls

/// The root directory under which a system lies: `/`, or where another one is mounted or unpacked.
///
/// Symbolic links in the middle of a path are followed as the kernel does for this process: in a foreign root
/// a link with an absolute target leads out of it. Paths of the database were freed of the links that matter,
/// see `TopLevelLinks`.
package struct FileRoot: Sendable {
    /// Without a slash at the end; empty for `/`.
    package let prefix: [UInt8]

    package init(_ path: String) {
        var bytes = Array(path.utf8)
        while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        prefix = bytes
    }

    /// `path` as this process has to name it, NUL at its end; `nil` where it holds a NUL itself.
    package func name(_ path: [UInt8]) -> [UInt8]? {
        guard !path.contains(0) else { return nil }
        var bytes = prefix
        bytes.reserveCapacity(prefix.count + path.count + 2)
        if path.first != UInt8(ascii: "/") { bytes.append(UInt8(ascii: "/")) }
        bytes.append(contentsOf: path)
        bytes.append(0)
        return bytes
    }

    /// The corresponding C function is `lstat`.
    package func status(_ path: [UInt8]) throws(SystemError) -> stat {
        guard let name = name(path) else { throw SystemError("lstat", code: ENOENT) }
        var status = stat()
        _ = try systemCall("lstat") {
            name.withUnsafeBufferPointer { name in
                name.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) }
            }
        }
        return status
    }

    /// Opens for reading; never waits for a writer where a pipe lies in place of a file.
    package func open(_ path: [UInt8], _ flags: Int32 = 0) throws(SystemError) -> FileDescriptor {
        guard let name = name(path) else { throw SystemError("open", code: ENOENT) }
        return try FileDescriptor.open(bytes: name, O_RDONLY | O_NONBLOCK | O_NOCTTY | flags)
    }

    /// Target of a symbolic link; `nil` where there is none.
    package func link(_ path: [UInt8]) -> [UInt8]? {
        guard let name = name(path) else { return nil }
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = name.withUnsafeBufferPointer { name in
            name.withMemoryRebound(to: CChar.self) { name in
                target.withUnsafeMutableBytes {
                    readlink(name.baseAddress!, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
            }
        }
        return count > 0 && count < target.count ? Array(target[..<count]) : nil
    }

    /// Names in a directory, without `.` and `..`, in the order in which the filesystem gives them.
    package func names(in directory: [UInt8]) throws(SystemError) -> [[UInt8]] {
        let stream = try DirectoryStream(try open(directory, O_DIRECTORY))
        var names: [[UInt8]] = []
        while let name = stream.next() { names.append(name) }
        return names
    }

    /// Whether an error says that there is nothing under a name.
    package static func isMissing(_ error: SystemError) -> Bool {
        error.code == ENOENT || error.code == ENOTDIR
    }
}

/// Symbolic links in the root directory and in /usr, such as /bin -> usr/bin and, on Fedora, /usr/sbin -> bin.
///
/// Since the merge of /bin, /sbin and /lib* into /usr a package may still list `/bin/bash`, where the kernel
/// reports `/usr/bin/bash`. Both are brought to the second form, by the links that are there; a system that
/// was not merged has none, and keeps its names.
package struct TopLevelLinks: Sendable {
    /// `/bin/`, and what stands for it: `/usr/bin/`.
    private(set) var links: [(from: [UInt8], to: [UInt8])] = []

    /// Takes names in the root directory, or in a folder of it (`usr`), and their targets.
    package init(_ links: [(name: [UInt8], target: [UInt8])], in folder: [UInt8] = []) {
        let slash = UInt8(ascii: "/")
        for (name, target) in links where !name.isEmpty {
            var parts: [ArraySlice<UInt8>] = folder.isEmpty || target.first == slash ? [] : [folder[...]]
            for part in target.split(separator: slash) {
                if part.elementsEqual(".".utf8) { continue }
                if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
            }
            // A link to the root itself, or to a place in itself, would lead round in a circle.
            let from = (folder.isEmpty ? [] : [slash] + folder) + [slash] + name + [slash]
            let to = [slash] + parts.joined(separator: [slash]) + [slash]
            guard !parts.isEmpty, !to.starts(with: from) else { continue }
            self.links.append((from, to))
        }
    }

    /// Reads the links that are in `root` now; a root that cannot be read has none.
    package init(in root: FileRoot) {
        func links(in folder: [UInt8]) -> [(name: [UInt8], target: [UInt8])] {
            let names = (try? root.names(in: folder)) ?? []
            return names.compactMap { name in
                root.link((folder.count == 1 ? [] : folder) + [UInt8(ascii: "/")] + name).map { (name, $0) }
            }
        }
        self.init(links(in: Array("/".utf8)))
        let usr = Array("usr".utf8)
        self.links += TopLevelLinks(links(in: Array("/usr".utf8)), in: usr).links
    }

    /// What a path starts with that has to be replaced: how many bytes, and by which. The link itself stands
    /// for its target too: packages that list `/bin` mean the directory.
    @inline(__always)
    func replacement(_ path: UnsafeRawBufferPointer) -> (count: Int, by: ArraySlice<UInt8>)? {
        guard path.count > 1 else { return nil }
        for link in links where path[1] == link.from[1] {
            if path.starts(with: link.from) { return (link.from.count, link.to[...]) }
            if path.count == link.from.count - 1, link.from.starts(with: path) {
                return (path.count, link.to.dropLast())
            }
        }
        return nil
    }

    /// The path that the kernel reports for a path in the database.
    package func resolve(_ path: [UInt8]) -> [UInt8] {
        var path = path
        // A link may lead to another one; a circle has to end.
        for _ in 0..<8 {
            guard let (count, by) = path.withUnsafeBytes({ replacement($0) }) else { break }
            path.replaceSubrange(..<count, with: by)
        }
        return path
    }
}

/// An open directory that is read name by name. The corresponding C function is `fdopendir`.
package struct DirectoryStream: ~Copyable {
    private let stream: OpaquePointer
    /// The directory's descriptor, for calls relative to it.
    package let descriptor: Int32

    /// Takes over the descriptor of a directory.
    package init(_ directory: consuming FileDescriptor) throws(SystemError) {
        let number = directory.release()
        guard let stream = fdopendir(number) else {
            let code = errno
            close(number)
            throw SystemError("fdopendir", code: code)
        }
        self.stream = stream
        descriptor = number
    }

    deinit { closedir(stream) }

    /// The next name but `.` and `..`; `nil` at the end.
    package borrowing func next() -> [UInt8]? {
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")] && name != Array("..".utf8) { return name }
        }
        return nil
    }

    /// The status of an entry; links are not followed. The corresponding C function is `fstatat`.
    package borrowing func status(_ name: [UInt8]) throws(SystemError) -> stat {
        var status = stat()
        let number = descriptor
        _ = try systemCall("fstatat") {
            (name + [0]).withUnsafeBufferPointer { name in
                name.withMemoryRebound(to: CChar.self) {
                    fstatat(number, $0.baseAddress!, &status, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
        return status
    }
}
