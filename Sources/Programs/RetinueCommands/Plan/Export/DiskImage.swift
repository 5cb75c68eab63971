import Glibc
import MovePlan
import SystemCalls
import Text

/// A disk of what a plan has, for a virtual machine: one ext4 file system without a partition table, made by mke2fs(8) without
/// mounting anything.
///
/// Beside the plan's files it has `/.retinue`: an init that needs nothing of them (a static busybox, setpriv(1) with its
/// libraries), which lays the mounts, sets the network up, starts the program as its user, and powers the machine off after the last
/// process. Any kernel with ext4 and virtio boots it: `root=/dev/vda rw init=/.retinue/init`.
struct DiskImage {
    private let host: HostPlan
    private let command: PlannedCommand
    private let root: String

    static let tools = [
        ("mke2fs", "e2fsprogs"), ("busybox", "busybox-static"), ("setpriv", "util-linux"),
        ("ldd", "libc-bin"),
        ("tar", "tar"), ("unshare", "util-linux"), ("ldconfig", "libc-bin"),
    ]

    /// Bytes that are free on it.
    private let free: UInt64

    init(_ host: HostPlan, _ command: PlannedCommand, root: String, free: UInt64) {
        (self.host, self.command, self.root, self.free) = (host, command, root, free)
    }

    /// Makes it as a file.
    ///
    /// - Throws: `Failure`, `HeldSignals.Interrupted`; then nothing of it is left.
    func make(at file: String) throws {
        guard geteuid() == 0 else { throw Failure("a disk is made as root: files of all owners are read") }
        try TrialRoot.check(Self.tools)
        let folder = try TrialFolder(named: nil, signals: HeldSignals())
        let filled = TrialRoot(of: root, in: folder)
        try filled.fill(TrialContents(host, root: root))
        let place = filled.place + "/.retinue"
        try run(folder, Self.furnish, [filled.place])
        for (name, text) in [("init", Self.start), ("init-dhcp", Self.lease), ("start", program)] {
            let path = "\(place)/\(name)"
            try OutputFile.write(to: path) { try $0.write(Array(text)) }
            chmod(path, 0o755)
        }
        let part = file + ".part"
        do {
            try run(folder, Self.format, [filled.place, part, String(free)])
        } catch {
            unlink(part)
            throw error
        }
        guard rename(part, file) == 0 else {
            let code = errno
            unlink(part)
            throw Failure("\(file.printable): \(SystemError.text(of: code))")
        }
    }

    private func run(_ folder: TrialFolder, _ words: String, _ arguments: [String]) throws {
        let output = folder.path + "/output"
        unlink(output)
        let status = try ChildProcess.run(
            TrialRoot.tied + ["sh", "-c", words, "sh"] + arguments, output: output, signals: folder.signals)
        guard status == 0 else {
            throw Failure("the disk could not be made\(TrialFolder.lastWords(in: output))")
        }
    }

    /// A shell's words: brings into the root `$1` what the init needs. A busybox that is not static would look for its libraries
    /// among the plan's.
    private static let furnish = """
        set -e
        cd "$1"
        mkdir -p .retinue/lib proc sys dev run tmp etc
        busybox=$(command -v busybox)
        if ldd "$busybox" > /dev/null 2>&1; then
            echo "$busybox is no static one: Debian has it in busybox-static" >&2
            exit 1
        fi
        cp -L "$busybox" .retinue/busybox
        setpriv=$(command -v setpriv)
        cp -L "$setpriv" .retinue/setpriv
        ldd "$setpriv" | while read -r name arrow path rest; do
            case $name,$arrow in
            /*) cp -L "$name" .retinue/lib/ld.so ;;
            *,"=>") cp -L "$path" .retinue/lib/ ;;
            esac
        done
        test -e .retinue/lib/ld.so
        """

    /// Formats the file `$2` with what is in `$1` and `$3` bytes free.
    private static let format = """
        set -e
        used=$(du -s -B1 "$1" | cut -f1)
        files=$(find "$1" -xdev | wc -l)
        rm -f "$2"
        truncate -s $(((used + used / 10 + files * 512 + $3 + (64 << 20)) / 4096 * 4096)) "$2"
        mke2fs -q -F -t ext4 -L retinue -m 0 -N $((files * 2 + 16384)) -d "$1" "$2"
        """

    /// Process 1. `retinue.address=ADDRESS/PREFIX` and `retinue.gateway=ADDRESS` are the kernel's parameters; without them it asks by
    /// DHCP.
    private static let start = Array(
        """
        #!/.retinue/busybox sh
        b=/.retinue/busybox
        on() { $b mountpoint -q "$1" 2> /dev/null || $b grep -q " $1 " /proc/mounts; }
        $b mount -t proc proc /proc
        on /sys || $b mount -t sysfs sys /sys
        on /dev || $b mount -t devtmpfs dev /dev
        $b mkdir -p /dev/pts /dev/shm
        $b mount -t devpts -o ptmxmode=0666 devpts /dev/pts
        $b mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
        $b mount -o remount,rw / 2> /dev/null
        exec < /dev/console > /dev/console 2>&1
        $b ip link set lo up
        address= gateway=
        for word in $($b cat /proc/cmdline); do
            case $word in
            retinue.address=*) address=${word#*=} ;;
            retinue.gateway=*) gateway=${word#*=} ;;
            retinue.name=*) $b hostname "${word#*=}" ;;
            esac
        done
        for interface in /sys/class/net/*; do
            interface=${interface##*/}
            [ "$interface" != lo ] || continue
            $b ip link set "$interface" up
            if [ -n "$address" ]; then
                $b ip addr add "$address" dev "$interface"
                [ -z "$gateway" ] || $b ip route add default via "$gateway"
            else
                $b udhcpc -i "$interface" -n -q -t 5 -s /.retinue/init-dhcp
            fi
            break
        done
        echo "retinue: the program is started"
        /.retinue/start
        echo "retinue: it has ended, exit status $?"
        # One that made itself a daemon goes on: until no process but this has an executable.
        while :; do
            left=
            for process in /proc/[0-9]*; do
                [ "$process" = /proc/1 ] || [ -z "$($b readlink "$process/exe")" ] || left=1
            done
            [ -n "$left" ] || break
            $b sleep 1
        done
        $b sync
        $b mount -o remount,ro /
        $b poweroff -f

        """.utf8)

    /// What udhcpc calls with an address.
    private static let lease = Array(
        """
        #!/.retinue/busybox sh
        b=/.retinue/busybox
        [ "$1" = bound ] || exit 0
        $b ip addr add "$ip/${mask:-24}" dev "$interface"
        [ -z "$router" ] || $b ip route add default via "${router%% *}"

        """.utf8)

    /// What starts the program: its environment, user, groups, folder and arguments, of any bytes.
    private var program: [UInt8] {
        var words = ["/.retinue/busybox", "env", "-i"].map { Array($0.utf8) } + command.environment
        words += ["/.retinue/lib/ld.so", "--library-path", "/.retinue/lib", "/.retinue/setpriv"].map {
            Array($0.utf8)
        }
        if let process = command.process {
            words += ["--reuid", "\(process.user)", "--regid", "\(process.group)"].map { Array($0.utf8) }
            words +=
                process.groups.isEmpty
                ? [Array("--clear-groups".utf8)]
                : ["--groups", process.groups.map(String.init).joined(separator: ",")].map { Array($0.utf8) }
        }
        words.append(Array("--".utf8))
        words += command.arguments
        return Array("#!/.retinue/busybox sh\ncd -- ".utf8) + ShellLiteral.of(command.folder)
            + Array(" || exit 125\nexec ".utf8)
            + ShellLiteral.of(words) + [UInt8(ascii: "\n")]
    }
}
