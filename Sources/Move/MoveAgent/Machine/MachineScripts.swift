import Records
import Text

/// What a machine runs beside the programs: process 1, and what starts each program.
enum MachineScripts {
    /// Process 1, from the initramfs. It reports over the second serial line, and is asked over it.
    ///
    /// `booted`: the kernel is up. After `start` it mounts the cell's root by 9p and starts the programs; `listening`: all ports are
    /// listened on. After `rest` all processes are stopped and all files written out, which `resting` reports, until `resume`. After
    /// `stop` the programs are asked to end; the machine powers off then, and by itself after the last process.
    static let initial = Array(
        """
        #!/tools/busybox sh
        b=/tools/busybox
        $b mkdir -p /proc /sys /dev /start /root
        $b mount -t proc proc /proc
        $b mount -t sysfs sys /sys
        $b mount -t devtmpfs dev /dev
        exec < /dev/null > /dev/console 2>&1
        off() { $b sync; $b umount -a -r 2> /dev/null; $b sync; $b poweroff -f; }
        for module in /modules/*; do $b insmod "$module"; done
        $b ip link set lo up
        for word in $($b cat /proc/cmdline); do
            case $word in
            retinue.address=*) $b ip addr add "${word#*=}" dev eth0 ;;
            retinue.name=*) $b hostname "${word#*=}" ;;
            esac
        done
        $b ip link set eth0 up
        for word in $($b cat /proc/cmdline); do
            case $word in retinue.gateway=*) $b ip route add default via "${word#*=}" ;; esac
        done
        exec 3<> /dev/ttyS1
        $b stty raw -echo <&3
        echo booted >&3
        read -r word <&3
        [ "$word" = start ] || off
        options=trans=virtio,version=9p2000.L,msize=512000
        $b mount -t 9p -o "$options,cache=loose" root /root || { echo "machine: no root"; off; }
        $b mount -t 9p -o "$options,ro" start /start
        for folder in proc sys dev run; do [ -d /root/$folder ] || $b mkdir /root/$folder; done
        # Fifos and sockets: qemu 7.2 refuses them over 9p (ENXIO). What is there is gone with a reboot anyway.
        $b mkdir /volatile
        $b mount -t tmpfs -o mode=755,nosuid,nodev run /volatile
        $b cp -a /root/run/. /volatile/
        $b mount --move /volatile /root/run
        $b mount -t proc proc /root/proc
        $b mount -t sysfs sys /root/sys
        $b mount -t devtmpfs dev /root/dev
        $b mkdir -p /root/dev/pts /root/dev/shm /root/dev/.tools /root/dev/.start
        $b mount -t devpts -o ptmxmode=0666 devpts /root/dev/pts
        $b mount -t tmpfs -o mode=1777,nosuid,nodev shm /root/dev/shm
        for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
            $b ln -sfn "${link#*:}" "/root/dev/${link%%:*}"
        done
        $b mount --bind /tools /root/dev/.tools
        $b mount --bind /start /root/dev/.start
        . /start/programs
        stopped= said=
        trap 'stopped=1' USR1
        (while read -r word <&3; do
            case $word in
            rest) kill -STOP -1; $b sync; echo resting >&3 ;;
            resume) kill -CONT -1 ;;
            stop) break ;;
            esac
        done
        kill -USR1 1) &
        reader=$!
        number=0
        while [ $number -lt $count ]; do
            $b setsid $b chroot /root /dev/.tools/busybox sh /dev/.start/program-$number < /dev/null 3>&- &
            eval "pid_$number=$!"
            number=$((number + 1))
        done
        # Those with an executable, but for this, its reader and its clock.
        left() {
            for process in /proc/[0-9]*; do
                case $process in /proc/1 | /proc/$reader | /proc/$clock) continue ;; esac
                [ ! -e "$process/exe" ] || return 0
            done
            return 1
        }
        listening() {
            for port in $ports; do
                case $port in
                tcp:*) $b grep -qs ":${port#*:} [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 || return 1 ;;
                udp:*) $b grep -qs ":${port#*:} [0-9A-F]*:0000 07" /proc/net/udp /proc/net/udp6 || return 1 ;;
                esac
            done
        }
        rest() { $b sleep "$1" & clock=$!; wait $clock; clock=0; }
        clock=0
        while [ -z "$stopped" ] && left; do
            if [ -z "$said" ] && listening; then
                echo listening >&3
                said=1
            fi
            if [ -n "$said" ]; then rest 1; else rest 0.02; fi
        done
        if [ -n "$stopped" ]; then
            number=$count
            while [ $number -gt 0 ]; do
                number=$((number - 1))
                eval "pid=\\$pid_$number signal=\\$signal_$number"
                # One that made itself a daemon is not its starter any more: everything here is asked.
                kill -$signal $pid 2> /dev/null || kill -$signal -1
            done
            tries=0
            while left && [ $tries -lt 500 ]; do rest 0.02; tries=$((tries + 1)); done
            left && kill -9 -1
        else
            number=0
            while [ $number -lt $count ]; do
                eval "wait \\$pid_$number"
                status=$?
                [ $status = 0 ] || echo "machine: program $number has ended, exit status $status"
                number=$((number + 1))
            done
        fi
        off

        """.utf8)

    /// What process 1 reads: how many programs there are, how each is asked to end, and the ports that are to be listened on.
    static func programs(_ runs: [ProgramRun], _ ports: [ServicePort]) -> [UInt8] {
        let listened = Set(ports.map { "\($0.isTCP ? "tcp" : "udp"):\(hex($0.number))" }).sorted()
        var text = "count=\(runs.count)\nports='\(listened.joined(separator: " "))'\n"
        for (index, run) in runs.enumerated() { text += "signal_\(index)=\(run.stopSignal)\n" }
        return Array(text.utf8)
    }

    /// As /proc/net/tcp has a port (proc(5)).
    private static func hex(_ port: UInt16) -> String {
        let digits = String(port, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// What starts a program, in its root: its environment, user, groups, limits, folder and arguments, of any bytes.
    ///
    /// - Parameter name: the first of its arguments, by which it is found.
    static func program(_ run: ProgramRun, named name: [UInt8]) -> [UInt8] {
        let linked = ["/dev/.tools/ld.so", "--library-path", "/dev/.tools/lib"]
        var words = linked + ["/dev/.tools/prlimit"]
        for limit in run.limits where limitNames.indices.contains(Int(limit.resource)) {
            // Beyond fs.nr_open as a kernel comes up there are none (RLIMIT_NOFILE, getrlimit(2)).
            let most: UInt64 = limit.resource == 7 ? 1 << 20 : .max
            func text(_ value: UInt64) -> String {
                min(value, most) == .max ? "unlimited" : String(min(value, most))
            }
            words.append("--\(limitNames[Int(limit.resource)])=\(text(limit.soft)):\(text(limit.hard))")
        }
        words += linked + ["/dev/.tools/setpriv", "--reuid", "\(run.user)", "--regid", "\(run.group)"]
        words +=
            run.groups.isEmpty
            ? ["--clear-groups"] : ["--groups", run.groups.map(String.init).joined(separator: ",")]
        words.append("--")
        let all =
            ["/dev/.tools/busybox", "env", "-i"].map { Array($0.utf8) }
            + run.environment.filter { $0.contains(UInt8(ascii: "=")) && $0.first != UInt8(ascii: "=") }
            + words.map { Array($0.utf8) } + [name] + run.arguments.dropFirst()
        return Array("cd -- ".utf8) + ShellLiteral.of(run.folder)
            + Array(" || exit 125\numask \(String(run.mask, radix: 8))\nexec ".utf8) + ShellLiteral.of(all)
            + [UInt8(ascii: "\n")]
    }

    /// By number, as prlimit(1) has them.
    private static let limitNames = [
        "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
        "sigpending",
        "msgqueue", "nice", "rtprio", "rttime",
    ]
}
