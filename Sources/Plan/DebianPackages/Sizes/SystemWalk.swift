import Glibc
public import Procfs
public import SystemCalls

/// What an image of a whole system has to hold: every file below a root, without what `MountPlan` leaves out.
///
/// Takes as long as looking at every file does: minutes on a large disk. `FilesystemUsage` is the cheap
/// answer to nearly the same question.
public struct SystemWalk: Sendable {
    /// What was measured; directories that could not be listed are in `unreadable`.
    public private(set) var sizes = FileSizes()
    /// Mounts that were not gone into.
    public private(set) var leftOut: [MountPlan.LeftOut] = []
    /// Whether the walk went to its end: false where the caller stopped it.
    public private(set) var isComplete = true

    /// Files between two calls of the progress closure.
    private static let interval = 4096

    /// Walks the tree.
    ///
    /// - Parameters:
    ///   - root: where to start; links in this path are followed.
    ///   - mounts: lines of mountinfo; those of this process by default.
    ///   - progress: is called now and then with what was measured so far; false stops the walk.
    /// - Throws: the failure of the call that cannot find or open `root`, or read mountinfo.
    public init(
        root: String = "/", mounts: [Mount]? = nil, progress: (FileSizes) -> Bool = { _ in true }
    ) throws(SystemError) {
        guard let real = realpath(root, nil) else { throw SystemError("realpath") }
        let start = Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
        free(real)
        let known: [Mount]
        if let mounts { known = mounts } else { known = try Mount.all() }
        let plan = MountPlan(known, root: start)
        leftOut = plan.leftOut
        let closed = Set(plan.leftOut.map(\.point))

        let slash = UInt8(ascii: "/")
        let everywhere = FileRoot("/")
        var meter = FileMeter(root: everywhere)
        meter.add(try everywhere.status(start), isNameKnownOnce: true)
        var open = [start]
        var count = 0
        var isFirst = true
        while let directory = open.popLast() {
            let stream: DirectoryStream
            do throws(SystemError) {
                stream = try DirectoryStream(try everywhere.open(directory, O_DIRECTORY | O_NOFOLLOW))
            } catch {
                if isFirst { throw error }
                // What went between the look at it and now was not to be carried.
                if !FileRoot.isMissing(error) { meter.sizes.unreadable.append(directory) }
                continue
            }
            isFirst = false
            let prefix = directory == [slash] ? directory : directory + [slash]
            while let name = stream.next() {
                let path = prefix + name
                if closed.contains(path) { continue }
                do throws(SystemError) {
                    let kind = meter.add(try stream.status(name), isNameKnownOnce: true)
                    if kind == .directory { open.append(path) }
                } catch {
                    if !FileRoot.isMissing(error) { meter.sizes.unreadable.append(path) }
                }
                count += 1
                if count % Self.interval == 0, !progress(meter.sizes) {
                    sizes = meter.sizes
                    isComplete = false
                    return
                }
            }
        }
        sizes = meter.sizes
    }
}
