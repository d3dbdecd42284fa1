// go-sql-driver logs in and reads, as an application does that writes nothing.
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/go-sql-driver/mysql"
)

func read(parameters string) error {
	login := fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?maxAllowedPacket=0%s", os.Getenv("USER"), os.Getenv("PASSWORD"), os.Getenv("HOST"), os.Getenv("PORT"), os.Getenv("DB"), parameters)
	db, err := sql.Open("mysql", login)
	if err != nil {
		return err
	}
	defer db.Close()
	var b string
	if err := db.QueryRow("SELECT b FROM t WHERE a = ?", 1).Scan(&b); err != nil {
		return err
	}
	fmt.Println(b)
	return nil
}

func main() {
	for _, parameters := range []string{"", "&interpolateParams=true&charset=utf8mb4"} {
		if err := read(parameters); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}
