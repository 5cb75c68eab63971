import Glibc

/// Which folder moves as a whole since it holds a program's data.
///
/// A program that writes in a folder has files there which nobody opened while somebody watched, and without which it does
/// not start or loses what it had. So the folder in which a member writes moves with everything below it, and so does the
/// one above, as long as that belongs to the same user and is no shared one. It ends at a folder that a member
/// calls by its name, as its working directory or in an argument: what lies beside that is another's, as the data of a second
/// instance of the same server, which the same user has; and below one in which a program writes that does not move. Shared are: folders of the file system's
/// hierarchy (hier(7)), homes, mount points, those at
/// the top that are the administrator's, and folders that a package lists, unless it is the only one and
/// the member's own. No table of well-known data folders is kept: what is the program's shows in whose it is.
struct FolderRules {
    private let tree: HostTree
    private let homes: Set<[UInt8]>
    /// How many packages list a folder.
    private let packagesOf: ([UInt8]) -> Int
    /// Folders that members call by their names.
    private let named: Set<[UInt8]>
    /// Folders in which, however deep, programs write that do not move.
    private let others: Set<[UInt8]>

    /// Folders that every system has for many programs.
    static let hierarchy: Set<[UInt8]> = Set(
        [
            "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/media",
            "/mnt",
            "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin",
            "/usr/games",
            "/usr/include", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/local",
            "/usr/local/bin", "/usr/local/etc", "/usr/local/lib", "/usr/local/sbin", "/usr/local/share",
            "/usr/local/src", "/usr/sbin", "/usr/share", "/usr/src", "/var", "/var/backups", "/var/cache",
            "/var/lib", "/var/local", "/var/lock", "/var/log", "/var/mail", "/var/opt", "/var/run",
            "/var/spool",
            "/var/tmp", "/var/www", "/etc/default", "/etc/cron.d", "/etc/ssl", "/etc/ssl/certs",
            "/etc/ssl/private",
            "/dev/shm", "/var/spool/cron", "/var/lib/systemd", "/run/lock", "/run/user",
        ].map { Array($0.utf8) })

    /// - Parameters:
    ///   - named: folders that members call by their names.
    ///   - others: folders in which, however deep, programs write that do not move.
    ///   - packagesOf: how many packages list a folder.
    init(
        _ tree: HostTree, homes: some Sequence<[UInt8]>, named: Set<[UInt8]>,
        others: Set<[UInt8]>, packagesOf: @escaping ([UInt8]) -> Int
    ) {
        self.tree = tree
        self.named = named
        self.others = others
        self.homes = Set(homes)
        self.packagesOf = packagesOf
    }

    /// Whether a folder is one of the hierarchy's, or a home.
    func isEverybodys(_ folder: [UInt8]) -> Bool { Self.hierarchy.contains(folder) || homes.contains(folder) }

    /// Whether a folder is for many programs.
    func isShared(_ folder: [UInt8]) -> Bool {
        if isEverybodys(folder) { return true }
        if folder.isBelow(Array("/usr/lib".utf8)) || folder.isBelow(Array("/usr/share".utf8)) {
            // What packages put there comes with them.
            return true
        }
        // A second package in it shows that it is not one program's.
        return packagesOf(folder) > 1
    }

    /// The topmost folder that is a program's own, of one in which it has files; `nil` where that is shared.
    func root(of folder: [UInt8]) -> [UInt8]? {
        guard !isShared(folder), let status = tree.status(folder), status.st_mode & S_IFMT == S_IFDIR else {
            return nil
        }
        // Everybody may write in it: what lies there is many programs'.
        guard status.st_mode & S_IWOTH == 0 else { return nil }
        var root = folder
        while !named.contains(root) {
            let above = root.parent
            // Whose a folder is says nothing where it is the administrator's: one at the top may hold anything (/data).
            if above.parent.count == 1, status.st_uid == 0 { return root }
            guard !isShared(above), !others.contains(above), let parent = tree.status(above),
                parent.st_uid == status.st_uid,
                parent.st_dev == status.st_dev, parent.st_mode & S_IWOTH == 0
            else { return root }
            root = above
        }
        return root
    }
}

/// What a folder holds: how much, and how much of it no record has.
struct FolderContents {
    private(set) var files = 0
    private(set) var bytes: UInt64 = 0
    private(set) var unopened = 0
    private(set) var unopenedBytes: UInt64 = 0
    /// Owners of what lies in it.
    private(set) var users: Set<UInt32> = []
    private(set) var groups: Set<UInt32> = []
    /// Whether the count ended early.
    private(set) var isCut = false
    /// Entries that are looked at; a folder with more is one that a person has to look at.
    private static let most = 5_000_000

    /// Looks at everything in a folder, without leaving its filesystem.
    init(_ tree: HostTree, _ folder: [UInt8], isKnown: ([UInt8]) -> Bool) {
        guard let top = tree.status(folder) else { return }
        users.insert(top.st_uid)
        groups.insert(top.st_gid)
        var waiting = [folder]
        var count = 0
        while let next = waiting.popLast() {
            for name in tree.names(in: next) {
                let path = next + [UInt8(ascii: "/")] + name
                guard let status = tree.status(path) else { continue }
                count += 1
                guard count <= Self.most else {
                    isCut = true
                    return
                }
                users.insert(status.st_uid)
                groups.insert(status.st_gid)
                switch status.st_mode & S_IFMT {
                case S_IFDIR: if status.st_dev == top.st_dev { waiting.append(path) }
                case S_IFREG:
                    let size = UInt64(max(status.st_size, 0))
                    files += 1
                    bytes &+= size
                    if !isKnown(path) {
                        unopened += 1
                        unopenedBytes &+= size
                    }
                default: break
                }
            }
        }
    }

    /// The files in a folder, links not followed.
    static func files(_ tree: HostTree, _ folder: [UInt8], most: Int) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var waiting = [folder]
        while let next = waiting.popLast(), found.count < most {
            for name in tree.names(in: next) {
                let path = next + [UInt8(ascii: "/")] + name
                guard let status = tree.status(path) else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: waiting.append(path)
                case S_IFREG: found.append(path)
                default: break
                }
            }
        }
        return found
    }
}
