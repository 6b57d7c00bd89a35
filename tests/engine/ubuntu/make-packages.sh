# The packages of Ubuntu's own Python 3.10, empty but for their names and relations; and Debian's real Python 3.11 under
# the version that a PPA would give it, so that it is seen where Python came from.
set -eu

own() { # own NAME DEPENDS FILE...: a package of Python 3.10 with files that only say so
    root=/build/$1
    mkdir -p "$root/DEBIAN" /debs
    printf 'Package: %s\nVersion: 3.10.12-1~22.04\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n' "$1" >"$root/DEBIAN/control"
    printf '%s' "${2:+Depends: $2
}" >>"$root/DEBIAN/control"
    printf 'Description: stand-in\n' >>"$root/DEBIAN/control"
    shift 2
    for file in "$@"; do
        mkdir -p "$root/$(dirname "$file")"
        printf '#!/bin/sh\necho Python 3.10.12\n' >"$root/$file"
        chmod 0755 "$root/$file"
    done
    dpkg-deb --build "$root" /debs >/dev/null
}

own libpython3.10-minimal "" usr/lib/python3.10/os.py
own python3.10-minimal libpython3.10-minimal usr/bin/python3.10
own libpython3.10-stdlib libpython3.10-minimal usr/lib/python3.10/json/__init__.py
own python3.10 "python3.10-minimal, libpython3.10-stdlib" usr/share/doc/python3.10/about
own python3-minimal python3.10-minimal usr/bin/python3
own python3 "python3-minimal, python3.10" usr/share/doc/python3/about
own python3-pip python3 usr/bin/pip3 usr/lib/python3/dist-packages/pip/__init__.py
# A distribution with a RECORD, so that its removal could be taken for the loss of a locked package.
record=/build/python3-pip/usr/lib/python3/dist-packages/pip-22.0.2.dist-info
mkdir -p "$record"
printf 'Metadata-Version: 2.1\nName: pip\nVersion: 22.0.2\n' >"$record/METADATA"
printf 'pip/__init__.py,,\n' >"$record/RECORD"
dpkg-deb --build /build/python3-pip /debs >/dev/null

mkdir -p /srv/ppa /fetched
cd /fetched
apt-get update
apt-get download python3.11 python3.11-minimal python3.11-venv libpython3.11-minimal libpython3.11-stdlib
for deb in *.deb; do
    dpkg-deb -R "$deb" /repacked
    old=$(sed -n 's/^Version: //p' /repacked/DEBIAN/control)
    sed -i "s/^Version: .*/&+jammy1/; s/(= $old)/(= $old+jammy1)/g" /repacked/DEBIAN/control
    dpkg-deb -Znone --build /repacked /srv/ppa >/dev/null
    rm -rf /repacked
done
# The index of such a folder is the packages' control files with their place and size.
cd /srv/ppa
for deb in *.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >Packages
