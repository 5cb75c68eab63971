import Glibc
public import PackageFiles
import SystemCalls

extension RPMDatabase {
    /// What has become of each of some files. A file whose size is another one is not read; the header of a package is read
    /// once.
    public func states(of asked: [[UInt8]]) -> [FileState] {
        var states = [FileState](repeating: .unpackaged, count: asked.count)
        var files: [Int: [Int]] = [:]
        let resolved = asked.map { links.resolve($0) }
        for (position, path) in resolved.enumerated() {
            guard let index = paths.find(path) else { continue }
            if paths.isDirectory(index) { states[position] = .directory }
            // Packages for several architectures may share a name and differ in the file: one of them has put it there.
            for owner in paths.owners(index) { files[owner, default: []].append(position) }
        }
        let digests = FileDigest()
        for (owner, positions) in files.sorted(by: { $0.key < $1.key }) {
            let records = self.records(of: owner, for: Set(positions.map { resolved[$0] }))
            for position in positions where states[position] != .pristine {
                guard let (files, record) = records[resolved[position]] else {
                    states[position] = .unknown(.noDigest)
                    continue
                }
                states[position] = state(of: resolved[position], files, record, digests)
            }
        }
        return states
    }

    /// Where everything lies that a package has brought, directories included, free of links in the root directory.
    public func listing(of id: PackageID) -> [[UInt8]]? {
        guard let files = files(of: id.index) else { return nil }
        return (0..<files.count).filter { files.isBrought($0) }.map { links.resolve(files.path($0)) }.filter {
            $0.count > 1 && $0.first == UInt8(ascii: "/")
        }
    }

    /// Its configuration files, as far as it brings them.
    public func configurationFiles(of id: PackageID) -> [[UInt8]] {
        guard let files = files(of: id.index) else { return [] }
        return (0..<files.count).filter { files.isBrought($0) && files.record($0).isConfiguration }.map {
            links.resolve(files.path($0))
        }
    }

    private func files(of owner: Int) -> RPMFiles? {
        guard let bytes = try? rows.header(packages[owner].number) else { return nil }
        return try? RPMFiles(RPMHeader(bytes))
    }

    private func records(of owner: Int, for paths: Set<[UInt8]>) -> [[UInt8]: (RPMFiles, RPMFiles.Record)] {
        guard let files = files(of: owner) else { return [:] }
        var found: [[UInt8]: (RPMFiles, RPMFiles.Record)] = [:]
        for index in 0..<files.count where files.isBrought(index) {
            let path = links.resolve(files.path(index))
            if paths.contains(path) { found[path] = (files, files.record(index)) }
        }
        return found
    }

    private func state(
        of path: [UInt8], _ files: RPMFiles, _ record: RPMFiles.Record, _ digests: borrowing FileDigest
    ) -> FileState {
        do throws(SystemError) {
            let status = try root.status(path)
            let changed: FileState = record.isConfiguration ? .modifiedConfiguration : .modified
            let kind = status.st_mode & S_IFMT
            if record.mode != 0, kind != record.mode & S_IFMT { return changed }
            switch kind {
            case S_IFDIR: return .directory
            case S_IFLNK:
                // rpm, unlike dpkg, records where links lead.
                guard let target = files.target(record), !target.isEmpty else {
                    return .unknown(.symbolicLink)
                }
                return root.link(path) == target ? .pristine : changed
            case S_IFREG:
                if let size = record.size, size != UInt64(max(status.st_size, 0)) { return changed }
                let (isRecorded, digest) = files.digest(record)
                guard let digest else { return .unknown(isRecorded ? .otherDigest : .noDigest) }
                return try digests.has(digest, path, in: root) ? .pristine : changed
            // Pipes, sockets and devices have no contents.
            default: return .pristine
            }
        } catch {
            return FileRoot.isMissing(error) ? .missing : .unknown(.unreadable(error))
        }
    }
}
