#!/usr/bin/env bash
# The seed's own examples with curl, against a running Weir (dedicated): curl.sh URL TOKEN
set -eu
url=$1 token=$2
expect() { # expect WHAT ACTUAL WANTED
    if [ "$2" != "$3" ]; then
        echo "$1: got $2, wanted $3"
        exit 1
    fi
}
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

expect "write with a bearer token" "$(status "$url/write?db=home&precision=s" -H "Authorization: Bearer $token" \
    -H 'Content-type: text/plain; charset=utf-8' --data-binary 'home,room=kitchen temp=72 1463683075')" 204
expect "write with basic authentication" "$(status "$url/write?db=home&precision=s" --user "any:$token" --data-binary 'home,room=hall temp=70 1463683075')" 204
expect "write with p" "$(status "$url/write/?u=any&p=$token&db=home&precision=s" --data-binary 'home,room=bath temp=71 1463683075')" 204
expect "gzipped write" "$(printf 'home,room=attic temp=60 1463683075\n' | gzip -c |
    status "$url/write?db=home&precision=s" -H "Authorization: Token $token" -H 'Content-Encoding: gzip' --data-binary @-)" 204
answer=$(curl -s -G "$url/query" -H "Authorization: Token $token" --data-urlencode 'db=home' --data-urlencode 'epoch=s' \
    --data-urlencode 'q=SELECT temp, room FROM home ORDER BY time')
expect "rows" "$(printf %s "$answer" | grep -o 1463683075 | wc -l | tr -d ' ')" 4
expect "no token" "$(status -G "$url/query" --data-urlencode 'db=home' --data-urlencode 'q=SHOW MEASUREMENTS')" 401
expect "management" "$(status "$url/query" -H "Authorization: Token $token" --data-urlencode 'q=DROP DATABASE home')" 400
message=$(curl -s "$url/write?db=home&precision=u" -H "Authorization: Token $token" --data-binary 'm v=1')
case $message in
*'"code":"invalid"'*'unknown variant `u`, expected one of `s`, `ms`, `us`, `ns`'*) ;;
*)
    echo "unknown precision: $message"
    exit 1
    ;;
esac
compressed=$(curl -s --compressed -G "$url/query" -H "Authorization: Token $token" --data-urlencode 'db=home' --data-urlencode 'q=SHOW MEASUREMENTS')
case $compressed in *'"home"'*) ;; *) echo "compressed answer: $compressed"; exit 1 ;; esac
echo "curl: all as expected"
