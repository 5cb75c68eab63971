import Glibc
public import PackageFiles
import SystemCalls

extension DpkgDatabase {
    /// What has become of a file; reads the whole of it. For several files use `states(of:)`.
    public func state(of path: [UInt8]) -> FileState { states(of: [path])[0] }

    /// What has become of each of some files. Reads each of them once, and the digests of a package once.
    ///
    /// The digests are MD5, from `info/PACKAGE.md5sums` and the `Conffiles` field.
    public func states(of asked: [[UInt8]]) -> [FileState] {
        var states = [FileState](repeating: .unpackaged, count: asked.count)
        var files: [Int: [Int]] = [:]
        let resolved = asked.map { links.resolve($0) }
        for (position, path) in resolved.enumerated() {
            guard let index = paths.find(path) else { continue }
            if paths.isDirectory(index) {
                states[position] = .directory
            } else if let owner = paths.owner(index) {
                files[owner, default: []].append(position)
            }
        }
        let digests = FileDigest()
        for (owner, positions) in files {
            let recorded = record(of: packages[owner], for: positions.map { resolved[$0] })
            for (position, recorded) in zip(positions, recorded) {
                states[position] = state(of: resolved[position], recorded, digests)
            }
        }
        return states
    }

    /// What has become of every file of a package, in the order of its list.
    public func verify(_ id: PackageID) throws(DpkgError) -> [(path: [UInt8], state: FileState)] {
        let files = try self.files(of: id)
        return Array(zip(files, states(of: files))).map { (path: $0.0, state: $0.1) }
    }

    /// Where the digests of a package are not as they should be. They are read when files are compared, so
    /// `damage` has nothing of them.
    public func damage(inDigestsOf id: PackageID) -> [DpkgDamage] {
        let package = packages[id.index]
        for name in fileNames(package, "md5sums") {
            guard let bytes = try? read(name) else { continue }
            var found: [DpkgDamage] = []
            bytes.withUnsafeBytes { bytes in
                Checksums.parse(
                    bytes,
                    { line, kind in
                        guard found.count < 1000 else { return }
                        found.append(
                            DpkgDamage(
                                file: file(name).text, line: line, kind: kind, package: package.qualifiedName)
                        )
                    }, { _, _ in })
            }
            return found
        }
        return []
    }

    /// Where everything lies that a package lists, directories included, free of links, diversions followed.
    ///
    /// Throws `.unreadable` where the package has no list.
    public func files(of id: PackageID) throws(DpkgError) -> [[UInt8]] {
        let package = packages[id.index]
        var failure = SystemError("open", code: ENOENT)
        let names = fileNames(package, "list")
        for name in names {
            let bytes: [UInt8]
            do { bytes = try read(name) } catch {
                if !FileRoot.isMissing(error) { failure = error }
                continue
            }
            return bytes.withUnsafeBytes { bytes in
                var lines = Lines(bytes)
                var files: [[UInt8]] = []
                while let line = lines.next() {
                    let path = UnsafeRawBufferPointer(rebasing: bytes[line])
                    guard Self.isPath(path), !path.elementsEqual("/.".utf8) else { continue }
                    files.append(place(of: Array(path), package))
                }
                return files
            }
        }
        throw .unreadable(file: file(names[0]).text, failure)
    }

    /// What a package recorded of a file.
    private struct Recorded {
        var digest: MD5.Digest?
        var isConfiguration = false
        var failure: SystemError?
    }

    private func record(of package: Package, for paths: [[UInt8]]) -> [Recorded] {
        let listed = paths.map { self.listed($0, package) }
        var found: [[UInt8]: Recorded] = [:]
        for path in listed { found[path] = Recorded() }
        readDigests(package, &found)
        for file in package.configurationFiles {
            let path = links.resolve(file.path)
            if found[path] != nil { found[path] = Recorded(digest: file.digest, isConfiguration: true) }
        }
        return listed.map { found[$0] ?? Recorded() }
    }

    private func readDigests(_ package: Package, _ found: inout [[UInt8]: Recorded]) {
        for name in fileNames(package, "md5sums") {
            do {
                let bytes = try read(name)
                bytes.withUnsafeBytes { bytes in
                    Checksums.parse(bytes, { _, _ in }) { path, digest in
                        let path = links.resolve(path)
                        if found[path] != nil { found[path]?.digest = digest }
                    }
                }
                return
            } catch {
                // A package of which nothing but links and directories is installed has none.
                if FileRoot.isMissing(error) { continue }
                for path in found.keys { found[path]?.failure = error }
                return
            }
        }
    }

    private func state(
        of path: [UInt8], _ recorded: Recorded, _ digests: borrowing FileDigest
    ) -> FileState {
        do {
            let kind = try root.status(path).st_mode & S_IFMT
            if kind == S_IFDIR, recorded.digest == nil { return .directory }
            let changed: FileState = recorded.isConfiguration ? .modifiedConfiguration : .modified
            if let failure = recorded.failure, recorded.digest == nil {
                return .unknown(.unreadable(failure))
            }
            guard let digest = recorded.digest else {
                return .unknown(kind == S_IFLNK ? .symbolicLink : .noDigest)
            }
            return try digests.has(.md5(digest), path, in: root) ? .pristine : changed
        } catch {
            return FileRoot.isMissing(error) ? .missing : .unknown(.unreadable(error))
        }
    }
}
